"""The firewalld backend: rich rules by D-Bus, at runtime and permanent."""
