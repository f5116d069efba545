"""The values everything else talks in: frozen, without I/O, without a clock."""
