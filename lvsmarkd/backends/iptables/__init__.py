"""The iptables backend, both variants, both families."""
