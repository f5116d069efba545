"""Which rules of iptables are firewalld's own, where its iptables backend keeps its rules there.

Names are the only truth there is. firewalld marks neither its chains nor its rules (no comment),
keeps what it made in memory (``our_chains`` in core/ipXtables.py), and tells over D-Bus only what
others have put in by its direct interface. So its chains are known by how core/ipXtables.py and
``policy_base_chain_name`` in core/fw_policy.py name them (1.3.3: lines 630 to 757 and 916 to 951;
1825 to 1880), for the zones and policies that it lists. A chain that only begins like one of these
is somebody else's, and is taken for that too where 2.5 made a hash of a name that was too long.
What firewalld has in the built-in chains is known by what it does (``build_default_rules``,
``build_rpfilter_rules``).
"""

import re

from msgspec import Struct

from lvsmarkd.backends.firewalld.names import (
    BUILT_IN_CHAINS,
    DISPATCHING,
    ENTRANCES,
    PREFIXES,
    STAGES,
)
from lvsmarkd.backends.firewalld.planes.listing import Listing
from lvsmarkd.model.fields import Field
from lvsmarkd.model.packets import EVERY_PACKET, Packets
from lvsmarkd.model.qualifiers import InInterface
from lvsmarkd.model.rule_spec import FieldTest, Opaque, Other, StateTest, Verdict
from lvsmarkd.model.ruleset import TableRule

_RFC3964 = "RFC3964_IPv4"
"""The chain that refuses 6to4 addresses of networks that have none (RFC3964_IPv4=yes)."""
_FROM_LOOPBACK = Packets(qualifiers=(InInterface.of("lo"),))
_NEIGHBOUR_DISCOVERY = frozenset({"134", "135"})
"""Types of ICMPv6 that its reverse path filter lets in."""
_REJECTING = frozenset({"INPUT", "FORWARD"})
"""The built-in chains that end with REJECT, whatever they reject with."""
_FINAL_REJECT = ("--log-prefix", "FINAL_REJECT: ")


class FirewalldChains(Struct, frozen=True):
    """What firewalld's iptables backend has in iptables."""

    names: re.Pattern[str]

    @classmethod
    def of(cls, runtime: Listing) -> "FirewalldChains":
        """Those of a firewalld that lists these zones and policies."""
        names = "|".join(map(re.escape, sorted({*runtime.zones, *runtime.policies, "HOST"})))
        named = rf"(?:{'|'.join(PREFIXES)})_(?:zone_|policy_)?(?:{names})"
        return cls(
            re.compile(
                rf"(?:{'|'.join(BUILT_IN_CHAINS)})_(?:{'|'.join(ENTRANCES)})"
                rf"|{named}(?:_[A-Z]+)?(?:_(?:{'|'.join(STAGES)}))?"
                rf"|{named}_POLICIES_(?:pre|post)"
                rf"|{named}_(?:dispatch_stage2|to_(?:{names}))"
                rf"|{_RFC3964}"
            )
        )

    def has(self, chain: str, rule: TableRule) -> bool:
        """Whether a rule of a chain is firewalld's."""
        if chain not in BUILT_IN_CHAINS:
            return self.names.fullmatch(chain) is not None
        entrances = {f"{chain}_{entrance}" for entrance in ENTRANCES} | {_RFC3964}
        return any(jump.chain in entrances for jump in rule.spec.jumps()) or _is_usual(chain, rule)


def leads_to_zones(chain: str, rule: TableRule) -> bool:
    """Whether a rule of a built-in chain is firewalld's jump to its zones: it decides about all
    packets that come so far.
    """
    zones = {f"{chain}_{name}" for name in DISPATCHING}
    return any(jump.chain in zones for jump in rule.spec.jumps())


def _is_usual(chain: str, rule: TableRule) -> bool:
    """Whether a rule is one that firewalld has in the built-in chains besides jumps."""
    spec, effect = rule.spec, rule.spec.only_effect
    if isinstance(effect, Other) and (effect.target, effect.words) == ("LOG", _FINAL_REJECT):
        return True
    ends = effect in {Verdict.ACCEPT, Verdict.DROP} or _logs(effect)
    match spec.conditions:
        case () if spec.packets == _FROM_LOOPBACK:
            return effect is Verdict.ACCEPT
        case ():
            rejects = effect is Verdict.DROP and chain in _REJECTING
            return rejects and spec.packets == EVERY_PACKET
        case (StateTest(_, False),) | (FieldTest(Field.REVERSE_ROUTE, ("FOUND",), True),):
            return spec.packets == EVERY_PACKET and ends
        case (FieldTest(Field.OUT_INTERFACE, ("lo",), False),):
            return spec.packets == EVERY_PACKET and effect is Verdict.ACCEPT
        case (Opaque("icmp6", ("--icmpv6-type", kind)),):
            return kind in _NEIGHBOUR_DISCOVERY and effect is Verdict.ACCEPT
        case _:
            return False


def _logs(effect: object) -> bool:
    return isinstance(effect, Other) and effect.target == "LOG"
