"""Changes as nft would be told them: for people to read, and loaded by nft they come to the same.

Made of values. What has no words here, which is nothing that is made here, is a comment.
"""

from collections.abc import Iterable, Iterator, Sequence
from sys import byteorder

from msgspec.structs import replace

from lvsmarkd.model.protocols import PROTOCOL_NAMES
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables.changes import NftChange, Operation
from lvsmarkd.netfilter.nftables.datatypes import DataType, Value, key_values, value_of
from lvsmarkd.netfilter.nftables.expressions import (
    Cmp,
    Comparison,
    Counts,
    Expression,
    Immediate,
    LoadMeta,
    MetaKey,
    NftVerdict,
    Payload,
    PayloadBase,
    SetLookup,
    StoreMeta,
    VerdictCode,
)
from lvsmarkd.netfilter.nftables.matches import DADDR, DPORT, IIFNAME, L4PROTO, MARK
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    TableFlag,
    TableId,
    UnknownChain,
    UnknownSet,
)

_TYPES = {
    DataType.IPV4_ADDR: "ipv4_addr",
    DataType.IPV6_ADDR: "ipv6_addr",
    DataType.ETHER_ADDR: "ether_addr",
    DataType.INET_PROTO: "inet_proto",
    DataType.INET_SERVICE: "inet_service",
    DataType.MARK: "mark",
    DataType.IFNAME: "ifname",
    DataType.VERDICT: "verdict",
}
_ON_A_LINE = 8
"""Elements: a line that people can read."""


class _UnsayableError(Exception):
    """There are no words for it."""


def nft_text(changes: Iterable[NftChange]) -> str:
    """The commands, a line or more for each change; empty where there is none."""
    return "".join(f"{line}\n" for each in changes for line in _lines(each))


def _lines(change: NftChange) -> Iterator[str]:
    verb = change.operation.name.lower()
    try:
        match change.subject:
            case NftTable() | TableId():
                yield f"{verb} {_table(change.operation, change.subject)}"
            case NftChain() | UnknownChain():
                yield f"{verb} {_chain(change.operation, change.subject)}"
            case NftSet() | UnknownSet():
                yield f"{verb} {_set(change.operation, change.subject)}"
            case NftRule():
                yield f"{verb} {_rule(change.operation, change.subject)}"
            case Elements(of, elements):
                for at in range(0, len(elements), _ON_A_LINE):
                    some = ", ".join(_element(of, e) for e in elements[at : at + _ON_A_LINE])
                    yield f"{verb} element {of.table} {of.name} {{ {some} }}"
    except _UnsayableError:
        yield f"# {change}"


def _table(operation: Operation, table: NftTable | TableId) -> str:
    if isinstance(table, TableId):
        return f"table {table}"
    flags = ", ".join(str(each.name).lower() for each in TableFlag if each in table.flags)
    has = operation is Operation.ADD and flags
    return f"table {table.id}" + (f" {{ flags {flags}; }}" if has else "")


def _chain(operation: Operation, chain: NftChain | UnknownChain) -> str:
    base = chain.base if isinstance(chain, NftChain) else None
    if operation is not Operation.ADD or base is None:
        return str(chain)
    policy = "drop" if base.drops else "accept"
    return (
        f"{chain} {{ type {base.type} hook {base.hook} priority {base.priority};"
        f" policy {policy}; }}"
    )


def _set(operation: Operation, of: NftSet | UnknownSet) -> str:
    if operation is not Operation.ADD or isinstance(of, UnknownSet):
        return f"set {of.table} {of.name}" if operation is Operation.DELETE else str(of)
    types = " . ".join(_TYPES[each] for each in of.key)
    gives = "" if of.data is None else f" : {_TYPES[of.data]}"
    size = f" size {of.size};" if of.size else ""
    flags = " flags interval;" if of.interval else ""
    counter = " counter;" if of.counters else ""
    return f"{of} {{ type {types}{gives};{size}{flags}{counter} }}"


def _element(of: NftSet, element: NftElement) -> str:
    first, last = key_values(of.key, element.start), key_values(of.key, element.end)
    parts = zip(of.key, first, last, strict=True)
    key = " . ".join(_range(kind, one, other) for kind, one, other in parts)
    match element.data:
        case None:
            return key
        case NftVerdict(code, chain):
            return f"{key} : {_verdict(code, chain)}"
        case data:
            assert of.data is not None  # noqa: S101 - what gives something has a type for it
            value = value_of(of.data, data)
            return f"{key} : {value:#x}" if isinstance(value, int) else f"{key} : {value}"


def _range(kind: DataType, first: Value, last: Value) -> str:
    one, other = _word(kind, first), _word(kind, last)
    return one if first == last else f"{one}-{other}"


def _word(kind: DataType, value: Value) -> str:
    if kind is DataType.IFNAME:
        return f'"{value}"'
    if kind is DataType.INET_PROTO and isinstance(value, int):
        return PROTOCOL_NAMES.get(value, str(value))
    return str(value)


def _verdict(code: VerdictCode, chain: str) -> str:
    return f"{code.name.lower()} {chain}".strip()


def _rule(operation: Operation, rule: NftRule) -> str:
    place = f"rule {rule.table} {rule.chain}"
    if operation is Operation.DELETE:
        return f"{place} handle {rule.handle}"
    words = " ".join(_statements(rule.expressions))
    comment = f' comment "{rule.comment}"' if rule.comment else ""
    return f"{place} {words}{comment}"


_FIELDS: dict[Expression, str] = {
    DADDR[Family.INET]: "ip daddr",
    DADDR[Family.INET6]: "ip6 daddr",
    L4PROTO: "meta l4proto",
    DPORT: "th dport",
    IIFNAME: "iifname",
    MARK: "meta mark",
    LoadMeta(MetaKey.NFPROTO): "meta nfproto",
    LoadMeta(MetaKey.IIFTYPE): "meta iiftype",
    Payload(PayloadBase.LINK, 6, 6): "ether saddr",
}
_COMPARED = {
    ("meta nfproto", b"\x02"): "ipv4",
    ("meta nfproto", b"\x0a"): "ipv6",
    ("meta iiftype", (1).to_bytes(2, byteorder)): "ether",
}


def _statements(expressions: Sequence[Expression]) -> Iterator[str]:
    """What a rule says. Raises _UnsayableError."""
    loaded: list[str] = []
    gives = ""
    for each in expressions:
        match each:
            case Payload() | LoadMeta():
                loaded.append(_field(replace(each, register=0)))
                continue
            case Cmp(data, comparison):
                (field,) = loaded
                yield f"{field} {_operator(comparison)}{_compared(field, data)}"
            case SetLookup(name, target=None, inverted=inverted):
                yield f"{' . '.join(loaded)} {'!= ' if inverted else ''}@{name}"
            case SetLookup(name, target=-1):
                yield f"{' . '.join(loaded)} vmap @{name}"
            case SetLookup(name):
                gives = f"{' . '.join(loaded)} map @{name}"
            case StoreMeta(MetaKey.MARK) if gives:
                yield f"meta mark set {gives}"
                gives = ""
            case Counts():
                yield "counter"
            case Immediate(NftVerdict(code, chain)):
                yield _verdict(code, chain)
            case _:
                raise _UnsayableError
        loaded = []


def _field(load: Expression) -> str:
    if load not in _FIELDS:
        raise _UnsayableError
    return _FIELDS[load]


def _operator(comparison: Comparison) -> str:
    if comparison not in {Comparison.EQ, Comparison.NEQ}:
        raise _UnsayableError
    return "" if comparison is Comparison.EQ else "!= "


def _compared(field: str, data: bytes) -> str:
    if field == _FIELDS[MARK]:
        return f"{int.from_bytes(data, byteorder):#x}"
    if (field, data) not in _COMPARED:
        raise _UnsayableError
    return _COMPARED[field, data]
