"""A rule in iptables' words, as ``iptables-save`` lists it or a person types it, understood.

An option means what the match says that it belongs to: ``-m connmark --mark`` is about the
connection's mark, ``-m mark --mark`` about the packet's. Both variants list all accepted
spellings alike (measured over 42 idioms on 1.8.9).
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.model.fields import Field, Interval, NamePrefix, Value
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    FieldTest,
    Lookup,
    MarkTest,
    Opaque,
    RuleSpec,
    SetTest,
    StateTest,
)
from lvsmarkd.netfilter.draft import PacketsDraft
from lvsmarkd.netfilter.iptables_qualifiers import read_option
from lvsmarkd.netfilter.iptables_targets import effects_of, masked
from lvsmarkd.netfilter.iptables_words import (
    NO_MODULE,
    PROTOCOL,
    MatchWords,
    Option,
    split,
    take_apart,
)
from lvsmarkd.netfilter.protocols import protocol_number

_SYN = ("FIN,SYN,RST,ACK", "SYN")
_SILENT = frozenset(
    {NO_MODULE, PROTOCOL, *TRANSPORTS, "udplite", "multiport", "comment", "mac", "mark"}
    | {"connmark", "conntrack", "state", "icmp", "icmp6", "iprange", "limit", "hashlimit"}
    | {"set", "addrtype"}
)
"""Matches that match nothing by themselves: their options do. Others (socket, rpfilter …) narrow
a rule by their mere name."""
_WHOLE = {
    "addrtype": frozenset({"--src-type", "--dst-type"}),
    "set": frozenset({"--match-set"}),
    "recent": frozenset({"--set", "--name", "--mask", "--rsource", "--rdest"}),
}
"""Matches that have further options which change what these say: with one, none is understood."""
_BY_NAME = {"rpfilter": (Field.REVERSE_ROUTE, "FOUND"), "socket": (Field.SOCKET, "FOUND")}
"""Matches that ask one thing, however their options refine it; ``--invert`` negates."""


def read_rule(text: str) -> RuleSpec:
    """Understand one rule, given as listed after the chain's name. Never fails."""
    return read_words(split(text))


def read_words(tokens: Sequence[str]) -> RuleSpec:
    """Understand one rule, word by word, as listed or typed. Never fails."""
    words = take_apart(tokens)
    draft = _IptablesRuleDraft()
    for match in words.matches:
        if match.module in _BY_NAME:
            what, value = _BY_NAME[match.module]
            inverted = any(option.name == "--invert" for option in match.options)
            draft.conditions.append(FieldTest(what, (value,), inverted))
            continue
        before = len(draft.conditions)
        rest = [option for option in match.options if not draft.take(match, option)]
        if match.module == "conntrack" and "--ctstate" in _names(match):
            draft.conditions[before:] = map(_of_connection, draft.conditions[before:])
        if rest or (not match.options and match.module not in _SILENT):
            said = tuple(word for option in rest for word in option.words)
            draft.conditions.append(Opaque(match.module, said))
    return RuleSpec(
        draft.packets.packets(), tuple(draft.conditions), effects_of(words), None, draft.comment
    )


class _IptablesRuleDraft(Struct):
    """A rule that is being read: what the algebra of packets can say, and what it cannot."""

    packets: PacketsDraft = field(default_factory=PacketsDraft)
    conditions: list[Condition] = field(default_factory=list)
    comment: str | None = None

    def take(self, match: MatchWords, option: Option) -> bool:
        """Understand one option; False where it cannot be."""
        if match.module in _WHOLE and not _names(match) <= _WHOLE[match.module]:
            return False
        try:
            if option.values:
                qualifier = read_option(
                    option.name, option.values[0], negated=option.negated, module=match.module
                )
                if qualifier is not None and self.packets.qualify(qualifier):
                    return True
            reader = _READERS.get((match.module, option.name))
            if reader is None:
                return False
            reader(self, option)
        except (ValueError, IndexError):
            return False
        return True

    def test(self, what: Field, option: Option, *values: Value) -> None:
        """Note a condition on a field, which the algebra cannot say."""
        self.conditions.append(FieldTest(what, values, option.negated))


def _of_connection(condition: Condition) -> Condition:
    """A condition that stands beside one on the state: of a packet without a connection only the
    state is asked (xt_conntrack.c, conntrack_mt; measured).
    """
    match condition:
        case FieldTest(Field.CT_DIRECTION | Field.CT_STATUS):
            return replace(condition, or_absent=True)
        case FieldTest():
            return Opaque("conntrack", (str(condition),))
        case _:
            return condition


def _names(match: MatchWords) -> set[str]:
    return {option.name for option in match.options}


def _destination(draft: _IptablesRuleDraft, option: Option) -> None:
    network = ip_network(option.values[0], strict=False)
    if option.negated or not draft.packets.to(network):
        draft.test(Field.DESTINATION, option, network)


def _source(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.SOURCE, option, ip_network(option.values[0], strict=False))


def _protocol(draft: _IptablesRuleDraft, option: Option) -> None:
    if option.values[0] in {"all", "0"}:
        return
    number = protocol_number(option.values[0])
    if number is None:
        raise ValueError
    if option.negated or not draft.packets.of_protocol(number):
        draft.test(Field.PROTOCOL, option, number)


def _in_interface(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.IN_INTERFACE, option, _name(option))


def _out_interface(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.OUT_INTERFACE, option, _name(option))


def _name(option: Option) -> Value:
    name = option.values[0]
    return NamePrefix(name[:-1]) if name.endswith("+") else name


def _intervals(option: Option) -> tuple[Interval, ...]:
    found = []
    for part in option.values[0].split(","):
        first, colon, last = part.partition(":")
        found.append(Interval(int(first or 0), int(last or 65535) if colon else int(first)))
    return tuple(sorted(found, key=lambda each: (each.first, each.last)))


def _destination_ports(draft: _IptablesRuleDraft, option: Option) -> None:
    found = _intervals(option)
    if option.negated or not draft.packets.to_ports(found):
        draft.test(Field.DESTINATION_PORT, option, *found)


def _source_ports(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.SOURCE_PORT, option, *_intervals(option))


def _either_port(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.EITHER_PORT, option, *_intervals(option))


def _tcp_flags(draft: _IptablesRuleDraft, option: Option) -> None:
    looked_at, are_set = option.values
    draft.test(Field.TCP_FLAGS, option, (looked_at, are_set))


def _syn(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.TCP_FLAGS, option, _SYN)


def _mac(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.SOURCE_MAC, option, option.values[0].lower())


def _mark(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.conditions.append(MarkTest(*masked(option.values[0]), option.negated))


def _connmark(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.conditions.append(ConnmarkTest(*masked(option.values[0]), option.negated))


def _state(draft: _IptablesRuleDraft, option: Option) -> None:
    states = frozenset(option.values[0].upper().split(","))
    draft.conditions.append(StateTest(states, option.negated))


def _direction(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.CT_DIRECTION, option, option.values[0].upper())


def _status(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.CT_STATUS, option, *option.values[0].upper().split(","))


def _tracked_protocol(draft: _IptablesRuleDraft, option: Option) -> None:
    number = protocol_number(option.values[0])
    if number is None:
        raise ValueError
    draft.conditions.append(FieldTest(Field.CT_DIRECTION, ("ORIGINAL",)))
    draft.test(Field.PROTOCOL, option, number)


def _length(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.LENGTH, option, *_intervals(option))


def _packet_type(draft: _IptablesRuleDraft, option: Option) -> None:
    name = option.values[0].upper()
    draft.test(Field.PACKET_TYPE, option, "HOST" if name == "UNICAST" else name)


def _fragment(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.test(Field.FRAGMENT, option, "LATER")


def _comment(draft: _IptablesRuleDraft, option: Option) -> None:
    draft.comment = option.values[0]


def _range_of(what: Field) -> "_Reader":
    def read(draft: _IptablesRuleDraft, option: Option) -> None:
        first, dash, last = option.values[0].partition("-")
        draft.test(what, option, Interval(ip_address(first), ip_address(last if dash else first)))

    return read


def _type_of(what: Field) -> "_Reader":
    def read(draft: _IptablesRuleDraft, option: Option) -> None:
        draft.test(what, option, *option.values[0].upper().split(","))

    return read


def _noted(draft: _IptablesRuleDraft, option: Option) -> None:
    """``recent --set`` notes the sender and holds for each packet (xt_recent.c, recent_mt)."""
    if option.negated:
        draft.conditions.append(FieldTest(Field.PROTOCOL, ()))


def _as_it_is(draft: _IptablesRuleDraft, option: Option) -> None:
    """An option by which a match that is understood holds no more and no less."""
    del draft, option


def _in_set(draft: _IptablesRuleDraft, option: Option) -> None:
    name, directions = option.values
    lookup = Lookup(name, directions=tuple(directions.split(",")))
    draft.conditions.append(SetTest(lookup, option.negated))


_Reader = Callable[[_IptablesRuleDraft, Option], None]
_READERS: dict[tuple[str, str], _Reader] = {
    (NO_MODULE, "-d"): _destination,
    (NO_MODULE, "-s"): _source,
    (NO_MODULE, "-p"): _protocol,
    (NO_MODULE, "-i"): _in_interface,
    (NO_MODULE, "-o"): _out_interface,
    (NO_MODULE, "-f"): _fragment,
    (PROTOCOL, "--dport"): _destination_ports,
    (PROTOCOL, "--sport"): _source_ports,
    (PROTOCOL, "--tcp-flags"): _tcp_flags,
    (PROTOCOL, "--syn"): _syn,
    ("multiport", "--dports"): _destination_ports,
    ("multiport", "--sports"): _source_ports,
    ("multiport", "--ports"): _either_port,
    ("mac", "--mac-source"): _mac,
    ("mark", "--mark"): _mark,
    ("connmark", "--mark"): _connmark,
    ("conntrack", "--ctstate"): _state,
    ("conntrack", "--ctdir"): _direction,
    ("conntrack", "--ctstatus"): _status,
    ("conntrack", "--ctproto"): _tracked_protocol,
    ("state", "--state"): _state,
    ("length", "--length"): _length,
    ("pkttype", "--pkt-type"): _packet_type,
    ("comment", "--comment"): _comment,
    ("iprange", "--dst-range"): _range_of(Field.DESTINATION),
    ("iprange", "--src-range"): _range_of(Field.SOURCE),
    ("addrtype", "--dst-type"): _type_of(Field.DESTINATION_TYPE),
    ("addrtype", "--src-type"): _type_of(Field.SOURCE_TYPE),
    ("set", "--match-set"): _in_set,
    ("recent", "--set"): _noted,
    ("recent", "--name"): _as_it_is,
    ("recent", "--mask"): _as_it_is,
    ("recent", "--rsource"): _as_it_is,
    ("recent", "--rdest"): _as_it_is,
}
