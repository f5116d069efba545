"""What the kernel itself says: IPVS' services, policy routing, networks, files."""
