"""The running keepalived: its process, options, version, and its copy of what it has read."""
