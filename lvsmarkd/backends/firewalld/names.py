"""What firewalld calls its tables and chains, and what ours are called in it."""

from lvsmarkd.model.ruleset import Lister, TableKey

NFTABLES = "nftables"
"""The name of the backend of its own that makes these tables; the other one is iptables."""
TABLE = "firewalld"
TABLE_KEY = TableKey(Lister.NFT, "inet", TABLE)
DROPPING = "firewalld_policy_drop"
"""The table that drops every new connection while firewalld reloads, and for as long as a reload
that failed is not repeated (measured)."""
DROPPING_KEY = TableKey(Lister.NFT, "inet", DROPPING)

POLICY = "lvsmarkd"
"""The policy object that is ours alone."""
PRIORITY = 10965
"""The rich rule priority that tells our rules in a zone from others'. It is positive: firewalld
puts these behind the zone's own marks, and the last to mark wins; and behind what the zone
refuses, which is the operator's word."""
OUR_CHAIN = f"mangle_PRE_policy_{POLICY}_post"
"""The chain in which its nftables backend keeps our marks."""
IPTABLES_CHAIN = f"PRE_{POLICY}_post"
"""The same of its iptables backend."""
