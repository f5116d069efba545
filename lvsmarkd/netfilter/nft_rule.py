"""A rule's statements as ``nft -j`` prints them, understood. Source: libnftables-json(5)."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.model.fields import Field, Interval, Value
from lvsmarkd.model.ports import MAX_PORT
from lvsmarkd.model.qualifiers import InInterface, NotFromMac
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    Effect,
    FieldTest,
    FillSet,
    Jump,
    MarkTest,
    Opaque,
    RuleSpec,
    SetTest,
    StateTest,
    VerdictMap,
    When,
)
from lvsmarkd.model.service import MAX_MARK, Family
from lvsmarkd.netfilter.draft import PacketsDraft
from lvsmarkd.netfilter.nft_effects import effects_of
from lvsmarkd.netfilter.nft_marks import CONNMARK, MARK, changed, reads_connection
from lvsmarkd.netfilter.nft_qualifiers import read_match
from lvsmarkd.netfilter.nft_values import (
    ALL_FLAGS,
    NotUnderstoodError,
    field_of,
    flags_of,
    lookup_of,
    values_of,
)
from lvsmarkd.netfilter.nft_words import words_of

_NFPROTO = {"ipv4": Family.INET, "ipv6": Family.INET6, "ip": Family.INET, "ip6": Family.INET6}
_HEADERS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "sctp": 132,
}
"""Protocols by the headers of which some field is not understood."""
_PORTS = frozenset({Field.SOURCE_PORT, Field.DESTINATION_PORT})
_SILENT = frozenset({"counter", "last"})
_FILLED = re.compile(r"(?:add|update|delete) @(\S+)")
"""A statement about a map, for which nft 1.0.6 has no JSON: it prints it in its own language."""
_HAS_CONNECTION = FieldTest(Field.CT_DIRECTION, ("ORIGINAL", "REPLY"))
_NEVER = FieldTest(Field.PROTOCOL, ())


class _RuleDraft(Struct):
    """The conditions up to an effect, and the effects up to the next condition."""

    packets: PacketsDraft = field(default_factory=PacketsDraft)
    family: Family | None = None
    conditions: list[Condition] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    reads_connection: bool = False
    """Its last effect copies something of the connection: without one the rule ends there."""


def read_statements(statements: object, comment: str | None = None) -> RuleSpec:
    """Understand one rule's ``expr``. Never fails."""
    drafts = [_RuleDraft()]
    for statement in statements if isinstance(statements, Sequence) else [statements]:
        if not isinstance(statement, Mapping) or len(statement) != 1:
            if isinstance(statement, str) and (filled := _FILLED.match(statement)):
                _effectual(drafts).effects.append(FillSet(filled[1], is_limited=True))
            _conditional(drafts).conditions.append(Opaque("nft", (words_of(statement),)))
            continue
        ((name, value),) = statement.items()
        _take(drafts, str(name), value)
    spec: RuleSpec | None = None
    for draft in reversed(drafts):
        effects = (*draft.effects, *((When(spec),) if spec is not None else ()))
        spec = RuleSpec(draft.packets.packets(), tuple(draft.conditions), effects, draft.family)
    return replace(spec or RuleSpec(), comment=comment)


def _conditional(drafts: list[_RuleDraft]) -> _RuleDraft:
    """Where a condition goes: what stands behind an effect does not hold for the effect."""
    if drafts[-1].effects:
        drafts.append(_behind(drafts[-1]))
    return drafts[-1]


def _effectual(drafts: list[_RuleDraft]) -> _RuleDraft:
    """Where an effect goes: what stands behind a map of verdicts does not hold for all packets."""
    last = drafts[-1]
    if last.reads_connection or (last.effects and isinstance(last.effects[-1], VerdictMap)):
        drafts.append(_behind(last))
    return drafts[-1]


def _behind(draft: _RuleDraft) -> _RuleDraft:
    """What follows on effects. A packet that a map of verdicts lacks ends the rule, one that it has
    takes the verdict: only the verdict `continue` leads on in the rule (measured).
    """
    if draft.reads_connection:
        return _RuleDraft(conditions=[_HAS_CONNECTION])
    match draft.effects[-1]:
        case VerdictMap(lookup):
            return _RuleDraft(conditions=[Opaque("vmap", (str(lookup),))])
        case _:
            return _RuleDraft()


def _take(drafts: list[_RuleDraft], name: str, value: object) -> None:
    match name, value:
        case "match", {"op": str(op), "left": left, "right": right}:
            _condition(_conditional(drafts), op, left, right)
        case (("counter" | "log" | "comment" | "continue"), _) | ("xt", {"name": "comment"}):
            return
        case "mangle", {"key": key, "value": new}:
            if isinstance(new, Mapping) and "map" in new and isinstance(new["map"], Mapping):
                _require(_conditional(drafts), new["map"].get("key"))
            draft = _effectual(drafts)
            draft.effects.append(changed(key, new))
            draft.reads_connection = reads_connection(new)
        case (("jump" | "goto"), {"target": str(chain)}):
            _effectual(drafts).effects.append(Jump(chain, goto=name == "goto"))
        case ("set", {"set": str(filled), **more}) | ("meter", {"name": str(filled), **more}):
            _filled(drafts, filled, more)
        case "vmap", {"key": key, "data": data}:
            _require(_conditional(drafts), key)
            _effectual(drafts).effects.append(VerdictMap(lookup_of(key, data)))
        case _:
            effects = effects_of(name, value)
            if effects and isinstance(value, Mapping) and value.get("family") in _NFPROTO:
                _conditional(drafts).family = _NFPROTO[value["family"]]
            if effects:
                _effectual(drafts).effects += effects
            else:  # it may let the packet get past, or not: limit, quota, what is not known
                _conditional(drafts).conditions.append(Opaque(name, (words_of(value),)))


def _filled(drafts: list[_RuleDraft], name: str, said: Mapping[object, object]) -> None:
    """A set that the packet is put into, or taken from. The element is there whatever comes of
    its own statements: one that counts may end the rule (nft_dynset.c, nft_dynset_eval).
    """
    _require(_conditional(drafts), _key_of(said.get("elem", said.get("key"))))
    statements = said.get("stmt") or ()
    several = statements if isinstance(statements, list | tuple) else [statements]
    limits = [
        each
        for each in several
        if not (isinstance(each, Mapping) and len(each) == 1 and not _SILENT.isdisjoint(each))
    ]
    filled = FillSet(name.removeprefix("@"), is_limited=bool(limits))
    _effectual(drafts).effects.append(filled)
    for each in limits:
        ((kind, value),) = each.items() if isinstance(each, Mapping) else (("nft", each),)
        _conditional(drafts).conditions.append(Opaque(str(kind), (words_of(value),)))


def _key_of(element: object) -> object:
    match element:
        case {"elem": {"val": key}}:
            return key
        case key:
            return key


def _condition(draft: _RuleDraft, op: str, left: object, right: object) -> None:
    try:
        _narrow(draft, op, left, right)
    except NotUnderstoodError:
        _header(draft, left)
        words = words_of({"op": op, "left": left, "right": right})
        draft.conditions.append(Opaque("nft", (words,)))


def _header(draft: _RuleDraft, left: object) -> None:
    """What must be so for a packet to have a header: nft leaves out of its listing the condition
    that it puts before one about a header's field (measured).
    """
    match left:
        case {"payload": {"protocol": str(name)}} if name in _HEADERS:
            _of_protocol(draft, _HEADERS[name])


def _narrow(draft: _RuleDraft, op: str, left: object, right: object) -> None:
    qualifier = read_match(left, op, right)
    if qualifier is not None and draft.packets.qualify(qualifier):
        _require(draft, left)
        return
    if not _is_special(draft, op, left, right):
        _narrow_field(draft, op, left, right)


def _is_special(draft: _RuleDraft, op: str, left: object, right: object) -> bool:
    """Understand what is listed in a form of its own; False: it is none of these."""
    match left, op, right:
        case {"concat": _}, ("==" | "!="), _:
            _require(draft, left)
            draft.conditions.append(SetTest(lookup_of(left, right), op == "!="))
            return True
        case {"meta": {"key": "nfproto" | "protocol"}}, ("==" | "!="), _:
            _of_families(draft, values_of(None, right), negated=op == "!=")
            return True
        case {"socket": {"key": "transparent" | "wildcard"}}, _, _:
            draft.conditions.append(FieldTest(Field.SOCKET, ("FOUND",)))  # else it does not match
            return True
        case {"fib": {"result": "oif" | "oifname" | "check", "flags": [*flags]}}, ("==" | "!="), _:
            draft.conditions.append(_way_back(flags, right, negated=op == "!="))
            return True
        case {"&": [{"payload": {"field": "frag-off"}}, 0x1FFF]}, ("==" | "!="), 0:
            _of_family(draft, Family.INET)
            draft.conditions.append(FieldTest(Field.FRAGMENT, ("LATER",), op == "=="))
            return True
        case {"&": [{"ct": {"key": "state"}}, _]}, ("==" | "!="), str(state):
            draft.conditions.append(StateTest(frozenset({state.upper()}), op == "!="))
            return True
        case {"payload": {"protocol": "tcp", "field": "flags"}}, _, _:
            _of_protocol(draft, 6)
            draft.conditions.append(_flag_test(op, right))
            return True
        case {"&": [base, int(mask)]}, ("==" | "!="), int(value):
            test = MarkTest if base == MARK else ConnmarkTest if base == CONNMARK else None
            if test is None:
                raise NotUnderstoodError(words_of(left))
            draft.conditions.append(test(value, mask, op == "!="))
            return True
        case {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}, ("==" | "!="), _:
            _of_protocol(draft, 6)
            pair = (flags_of(mask), flags_of(right))
            draft.conditions.append(FieldTest(Field.TCP_FLAGS, (pair,), op == "!="))
            return True
        case _:
            return False


def _narrow_field(draft: _RuleDraft, op: str, left: object, right: object) -> None:
    what = field_of(left)[0]
    _require(draft, left)
    if isinstance(right, str) and right.startswith("@"):
        draft.conditions.append(SetTest(lookup_of(left, right), op == "!="))
        return
    if what is Field.CT_STATUS and op != "in":
        # All bits are compared, and no first packet has one alone (measured).
        draft.conditions.append(_HAS_CONNECTION if op == "!=" else _NEVER)
        return
    values, negated = _compared(what, op, right)
    if not _within_the_algebra(draft, what, values, negated=negated):
        draft.conditions.append(_test(what, values, negated=negated))


def _way_back(flags: list[object], right: object, *, negated: bool) -> Condition:
    """Whether the sender would be answered by the interface that the packet came by; nft 1.0.6
    lists a route that is missing as ``false``, or as interface 0 (measured).
    """
    if not {"saddr", "iif"} <= set(map(str, flags)):
        raise NotUnderstoodError(words_of(flags))
    match right:
        case False | 0 | "0":
            return FieldTest(Field.REVERSE_ROUTE, ("FOUND",), not negated)
        case True:
            return FieldTest(Field.REVERSE_ROUTE, ("FOUND",), negated)
        case _:
            raise NotUnderstoodError(words_of(right))


def _of_families(draft: _RuleDraft, values: Sequence[Value], *, negated: bool) -> None:
    named = {_NFPROTO[each] for each in values if isinstance(each, str) and each in _NFPROTO}
    if len(named) < len(values):
        raise NotUnderstoodError(str(values))
    held = set(Family) - named if negated else named
    if len(held) == 1:
        _of_family(draft, held.pop())
    elif not held:
        raise NotUnderstoodError(str(values))


def _flag_test(op: str, right: object) -> Condition:
    """``in``: one of the flags is set, whatever the others; ``!``: none of them is; else just
    these are, or those of one in a set.
    """
    several = right["set"] if isinstance(right, Mapping) and "set" in right else [right]
    match op:
        case "in" | "!":
            return FieldTest(Field.TCP_FLAGS, ((flags_of(right), "NONE"),), op == "in")
        case "==" | "!=":
            pairs = tuple((ALL_FLAGS, flags_of(each)) for each in several)
            return FieldTest(Field.TCP_FLAGS, pairs, op == "!=")
        case _:
            raise NotUnderstoodError(op)


def _require(draft: _RuleDraft, left: object) -> None:
    """Only packets that have the fields get past, whatever is compared or looked up."""
    parts = left["concat"] if isinstance(left, Mapping) and "concat" in left else [left]
    for part in parts if isinstance(parts, list) else ():
        try:
            _, family, protocol = field_of(part)
        except NotUnderstoodError:
            continue
        _of_family(draft, family)
        if protocol is not None:
            _of_protocol(draft, protocol)


def _compared(what: Field, op: str, right: object) -> tuple[tuple[Value, ...], bool]:
    """The values that a field is compared with, and whether it must have none of them."""
    if op in {"==", "!="} or (op == "in" and what in {Field.CT_STATE, Field.CT_STATUS}):
        return values_of(what, right), op == "!="
    most = MAX_PORT if what in _PORTS else MAX_MARK
    match op, right:
        case ">=", int():
            return (Interval(right, most),), False
        case ">", int():
            return (Interval(right + 1, most),), False
        case "<=", int():
            return (Interval(0, right),), False
        case "<", int() if right:
            return (Interval(0, right - 1),), False
        case _:
            raise NotUnderstoodError(op)


def _of_family(draft: _RuleDraft, family: Family | None) -> None:
    if family is not None and draft.family not in {None, family}:
        draft.conditions.append(_NEVER)
    draft.family = family or draft.family


def _of_protocol(draft: _RuleDraft, protocol: int) -> None:
    if not draft.packets.of_protocol(protocol):
        draft.conditions.append(FieldTest(Field.PROTOCOL, (protocol,)))


def _within_the_algebra(
    draft: _RuleDraft, what: Field, values: tuple[Value, ...], *, negated: bool
) -> bool:
    """Narrow the packets themselves, where their algebra can say it."""
    match what, values:
        case Field.SOURCE_MAC, _ if negated:
            return draft.packets.qualify(NotFromMac.of(*(str(each).lower() for each in values)))
        case _ if negated:
            return False
        case Field.DESTINATION, (IPv4Network() | IPv6Network() as network,):
            return draft.packets.to(network)
        case Field.PROTOCOL, (int(number),):
            return draft.packets.of_protocol(number)
        case Field.IN_INTERFACE, (str(name),):
            return draft.packets.qualify(InInterface.of(name))
        case Field.DESTINATION_PORT, _ if draft.packets.protocol is not None:
            intervals = [each for each in values if isinstance(each, Interval)]
            return len(intervals) == len(values) and draft.packets.to_ports(intervals)
        case _:
            return False


def _test(what: Field, values: tuple[Value, ...], *, negated: bool) -> Condition:
    match what, values:
        case Field.MARK, (int(value),):
            return MarkTest(value, negated=negated)
        case Field.CONNMARK, (int(value),):
            return ConnmarkTest(value, negated=negated)
        case Field.CT_STATE, _:
            return StateTest(frozenset(map(str, values)), negated)
        case _:
            return FieldTest(what, values, negated)
