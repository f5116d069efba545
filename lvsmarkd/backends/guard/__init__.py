"""The guard: a table that nobody else can flush, which marks what the firewall's rules did not."""
