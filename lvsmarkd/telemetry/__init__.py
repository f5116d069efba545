"""How it is told: metrics, journal, systemd."""
