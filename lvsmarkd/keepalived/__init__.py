"""keepalived.conf as keepalived reads it: physical lines, logical lines, blocks, configuration."""
