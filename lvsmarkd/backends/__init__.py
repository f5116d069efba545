"""What packets meet: one backend per kind of firewall."""
