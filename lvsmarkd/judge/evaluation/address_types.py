"""What the kernel calls the type of an IPv6 address, which iptables and nft ask for differently.

iptables (net/netfilter/xt_addrtype.c, match_type6): UNICAST and MULTICAST are what the address
looks like, and must all hold; of LOCAL, ANYCAST and UNREACHABLE the routing table must say one. nft
(net/ipv6/netfilter/nft_fib_ipv6.c): what the routing table says, and the first address of each
prefix of this host is ANYCAST. Of IPv4 both ask the routing table alone. All of it measured.
"""

from collections.abc import Iterable

from lvsmarkd.judge.evaluation.packet_class import Moment, PacketClass, Parts
from lvsmarkd.model.fields import Field
from lvsmarkd.model.host import HostView
from lvsmarkd.model.rule_spec import FieldTest
from lvsmarkd.model.ruleset import Lister

_LOOKS = frozenset({"UNICAST", "MULTICAST", "UNSPEC"})
_LONGEST = 127
"""A prefix of which all addresses are hosts'."""


class AddressTypes:
    """The types that packets' addresses have for the rules of one lister."""

    def __init__(self, lister: Lister, host: HostView) -> None:
        self._by_looks = lister is not Lister.NFT
        self._anycast = tuple(
            int(network.network_address)
            for network in host.local or ()
            if network.version == 6 and network.prefixlen < _LONGEST
        )

    def part(self, condition: FieldTest, packet: PacketClass) -> Parts:
        """The parts of a class of IPv6, each with the answer for it."""
        if packet.moment is Moment.ANSWER:
            return [(packet, None)]  # it is for another host
        words = frozenset(map(str, condition.values))
        is_source = condition.field is Field.SOURCE_TYPE
        if self._by_looks:
            held = frozenset({"UNICAST"} if is_source else {"UNICAST", "LOCAL"})
            routed = words - _LOOKS
            hit = words & _LOOKS <= held and (not routed or not routed.isdisjoint(held))
            return [(packet, hit is not condition.negated)]
        if is_source:
            return [(packet, ("UNICAST" in words) is not condition.negated)]
        return [
            (part, (kind in words) is not condition.negated) for part, kind in self._kinds(packet)
        ]

    def _kinds(self, packet: PacketClass) -> Iterable[tuple[PacketClass, str]]:
        cuts = sorted({a for a in self._anycast if packet.first <= a <= packet.last})
        if packet.moved and cuts and packet.first != packet.last:
            return [(packet, "LOCAL")]  # a service's own address: not one of these
        parts: list[tuple[PacketClass, str]] = []
        at = packet.first
        for cut in cuts:
            if at < cut:
                parts.append((packet.to(at, cut - 1), "LOCAL"))
            parts.append((packet.to(cut, cut), "ANYCAST"))
            at = cut + 1
        if at <= packet.last:
            parts.append((packet.to(at, packet.last), "LOCAL"))
        return parts
