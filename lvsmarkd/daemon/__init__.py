"""The loop that keeps it so: one writer, one pass at a time."""
