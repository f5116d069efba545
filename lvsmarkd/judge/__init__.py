"""The pure core: what must hold, what differs, what to do about it."""
