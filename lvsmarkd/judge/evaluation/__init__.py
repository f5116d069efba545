"""What becomes of packets: from the wire to IPVS, over every rule that is registered before it."""
