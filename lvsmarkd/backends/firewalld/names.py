"""What firewalld calls its tables and chains, and what ours are called in it.

All names of firewalld's are here; the sources are those of 1.3.3, but where another version is
named.
"""

from lvsmarkd.model.rule import Hook
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
CHAIN_PREFIXES = {Hook.PREROUTING: "mangle_PRE", Hook.INPUT: "filter_IN"}
"""What the names of chains that marks and accepts are in begin with, in its nftables backend (core/
nftables.py); of its iptables backend, where the table is not a part of the name, behind it."""
OF_POLICIES = "policy_"
"""What the names of policies' chains have behind that, and those of zones have not
(core/nftables.py, POLICY_CHAIN_PREFIX); in its iptables backend neither has."""
OUR_CHAIN = f"{CHAIN_PREFIXES[Hook.PREROUTING]}_{OF_POLICIES}{POLICY}_post"
"""The chain in which its nftables backend keeps our marks."""
IPTABLES_CHAIN = f"PRE_{POLICY}_post"
"""The same of its iptables backend."""

BUILT_IN_CHAINS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "BROUTING")
"""The built-in chains of iptables and ebtables that it has rules in."""
DISPATCHING = ("ZONES", "dispatch")
"""What the chain that leads to zones is called, behind the name of the built-in chain that jumps
there and ``_`` (core/ipXtables.py, build_default_rules; the second one since 2.5)."""
DIRECT = "direct"
"""The same of the chain of direct rules: firewalld's chain, and others' rules."""
ENTRANCES = (DIRECT, "ZONES_SOURCE", "POLICIES_pre", "POLICIES_post", "dnat", *DISPATCHING)
"""The same of all chains of its that built-in chains jump to."""
PREFIXES = ("PRE", "IN", "FWD", "FWDI", "FWDO", "POST", "OUT")
"""What the names of chains of zones and policies begin with (core/base.py, SHORTCUTS)."""
STAGES = ("pre", "log", "deny", "allow", "post")
"""What they end with (core/ipXtables.py, build_policy_chain_rules)."""
