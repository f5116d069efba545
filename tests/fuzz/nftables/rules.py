"""Rules by chance, and what nft has to say of each."""

from functools import partial
from ipaddress import ip_network
from typing import Any

from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables import matches
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.expressions import (
    ACCEPT,
    DROP,
    RETURN,
    Counts,
    Expression,
    goto,
    jump,
)
from lvsmarkd.netfilter.nftables.objects import NftChain, NftRule
from tests.fuzz.nftables.chance import Chance
from tests.fuzz.nftables.made import Made, Said

Part = tuple[tuple[Expression, ...], Said]

_LOADS: dict[DataType, tuple[matches.Load, Any]] = {
    DataType.IPV4_ADDR: (
        matches.DADDR[Family.INET],
        {"payload": {"protocol": "ip", "field": "daddr"}},
    ),
    DataType.IPV6_ADDR: (
        matches.DADDR[Family.INET6],
        {"payload": {"protocol": "ip6", "field": "daddr"}},
    ),
    DataType.INET_PROTO: (matches.L4PROTO, {"meta": {"key": "l4proto"}}),
    DataType.INET_SERVICE: (matches.DPORT, {"payload": {"protocol": "th", "field": "dport"}}),
    DataType.MARK: (matches.MARK, {"meta": {"key": "mark"}}),
    DataType.IFNAME: (matches.IIFNAME, {"meta": {"key": "iifname"}}),
}
"""What is loaded for a field of a key, and how nft says that."""
_FAMILY_OF = {DataType.IPV4_ADDR: Family.INET, DataType.IPV6_ADDR: Family.INET6}
_PROTOCOLS = {6: "tcp", 17: "udp"}


class Rules:
    """Rules for one table."""

    def __init__(self, chance: Chance, made: Made) -> None:
        self._chance = chance
        self._made = made
        self._family = DataType.IPV4_ADDR
        """What packets a rule is about; nft would not take one about both."""

    def rule(self, chain: NftChain) -> tuple[NftRule, Said]:
        """A rule, and what nft says of it."""
        whole: list[Expression] = []
        said: Said = []
        self._family = self._chance.random.choice(tuple(_FAMILY_OF))
        for part in self._chance.random.sample(
            (self._marked, self._entered, self._sent, self._from),
            self._chance.random.randint(0, 3),
        ):
            expressions, words = part()
            whole += expressions
            said += words
        if self._chance.likely(0.4):
            whole.append(Counts())
            said.append({"counter": {"packets": 0, "bytes": 0}})
        by_map, verdict = partial(self._by_map, chain), partial(self._verdict, chain)
        expressions, words = self._chance.random.choice(
            (self._sets_mark, by_map, by_map, verdict)
        )()
        once = [*matches.of_family(_FAMILY_OF[self._family])]
        if [*expressions[:2]] == once and any(
            whole[at : at + 2] == once for at in range(len(whole))
        ):
            expressions = expressions[2:]
        rule = NftRule(self._made.table, chain.name, (*whole, *expressions), self._chance.comment())
        return rule, said + words

    def _marked(self) -> Part:
        mark, other = self._chance.mark(), self._chance.likely(0.3)
        left = {"meta": {"key": "mark"}}
        said = {"match": {"op": "!=" if other else "==", "left": left, "right": mark}}
        return matches.has_mark(mark, not_it=other), [said]

    def _entered(self) -> Part:
        name = str(self._chance.value(DataType.IFNAME))
        left = {"meta": {"key": "iifname"}}
        return matches.in_interface(name), [{"match": {"op": "==", "left": left, "right": name}}]

    def _from(self) -> Part:
        those = [each for each in self._made.sets if each.key == (DataType.ETHER_ADDR,)]
        those = [each for each in those if each.data is None]
        if not those:
            return (), []
        of, inverted = self._chance.random.choice(those), self._chance.likely(0.5)
        left = {"payload": {"protocol": "ether", "field": "saddr"}}
        op = "!=" if inverted else "=="
        said = {"match": {"op": op, "left": left, "right": f"@{of.name}"}}
        return matches.from_mac_in(of, inverted=inverted), [said]

    def _sent(self) -> Part:
        """Destination, protocol, ports."""
        kind = self._family
        name = "ip" if kind is DataType.IPV4_ADDR else "ip6"
        length = self._chance.random.randint(1, 8 * kind.length)
        network = ip_network(f"{self._chance.value(kind)}/{length}", strict=False)
        right: Any = {"prefix": {"addr": str(network.network_address), "len": length}}
        if length == network.max_prefixlen:
            right = str(network.network_address)
        first = self._chance.random.randint(1, 65535)
        ports = PortRange(first, self._chance.random.choice((first, min(first + 9, 65535))))
        protocol = self._chance.random.choice(tuple(_PROTOCOLS))
        left = {"payload": {"protocol": name, "field": "daddr"}}
        port_left = {"payload": {"protocol": _PROTOCOLS[protocol], "field": "dport"}}
        port_right: Any = {"range": [ports.first, ports.last]}
        if ports.first == ports.last:
            port_right = ports.first
        return (
            *matches.of_family(_FAMILY_OF[kind]),
            *matches.to_network(network),
            *matches.of_protocol(protocol),
            *matches.to_ports(ports),
        ), [
            {"match": {"op": "==", "left": left, "right": right}},
            {"match": {"op": "==", "left": port_left, "right": port_right}},
        ]

    def _sets_mark(self) -> Part:
        mark = self._chance.mark()
        said = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": mark}}
        return matches.set_mark(mark), [said]

    def _by_map(self, chain: NftChain) -> Part:
        """By what a set, a map of marks or one of verdicts has for what can be loaded."""
        of = self._chance.random.choice(self._made.sets) if self._made.sets else None
        families = set(of.key) & _FAMILY_OF.keys() if of else set()
        if of is None or not set(of.key) <= _LOADS.keys() or not families <= {self._family}:
            return self._sets_mark()
        if of.data is DataType.VERDICT and chain.base is None:
            return self._sets_mark()  # it might go in circles
        loads = [_LOADS[kind][0] for kind in of.key]
        words = [_LOADS[kind][1] for kind in of.key]
        key = words[0] if len(words) == 1 else {"concat": words}
        family = matches.of_family(_FAMILY_OF[self._family]) if families else ()
        data = f"@{of.name}"
        match of.data:
            case None:
                inverted = self._chance.likely(0.3)
                op = "!=" if inverted else "=="
                said = {"match": {"op": op, "left": key, "right": data}}
                return (*family, *matches.found_in(of, loads, inverted=inverted)), [said]
            case DataType.VERDICT:
                said = {"vmap": {"key": key, "data": data}}
                return (*family, *matches.found_in(of, loads)), [said]
            case _:
                value = {"map": {"key": key, "data": data}}
                said = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": value}}
                return (*family, *matches.set_mark_by(of, loads)), [said]

    def _verdict(self, chain: NftChain) -> Part:
        there: list[tuple[Expression, Any]] = [
            (ACCEPT, {"accept": None}),
            (DROP, {"drop": None}),
            (RETURN, {"return": None}),
        ]
        if chain.base is not None:
            other = self._chance.random.choice(self._made.ends()).name
            there += [
                (jump(other), {"jump": {"target": other}}),
                (goto(other), {"goto": {"target": other}}),
            ]
        expression, said = self._chance.random.choice(there)
        return (expression,), [said]
