"""Speaking to firewalld: its bus, its calls, its answers."""
