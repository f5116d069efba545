"""``make bench``: how fast, how big, and whether a packet ever goes without its mark."""
