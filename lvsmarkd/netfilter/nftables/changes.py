"""Changes of tables as values, and the requests of a transaction that they make.

The kernel does them in their order, all or none. What is added where it is already is left as it
is, but for rules, of which there are two then; an element that gives something else is refused, and
deleted before in the same transaction where it is to be replaced.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.kernel.netlink import NetlinkError, each_attribute
from lvsmarkd.kernel.nf_tables_batch import NftRefusal, NftRequest
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.element_wire import element_parts
from lvsmarkd.netfilter.nftables.object_wire import (
    CHAIN_NAME,
    NAME,
    RULE_HANDLE,
    TABLE,
    chain_parts,
    rule_parts,
    table_parts,
)
from lvsmarkd.netfilter.nftables.objects import (
    Elements,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    NftTable,
    TableId,
    UnknownChain,
    UnknownSet,
)
from lvsmarkd.netfilter.nftables.set_wire import set_parts

_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _DELRULE = 0, 2, 3, 5, 6, 8
_NEWSET, _DELSET, _NEWSETELEM, _DELSETELEM = 9, 11, 12, 14  # NFT_MSG_*
_CREATE, _APPEND, _REPLACE = 0x400, 0x800, 0x100  # NLM_F_*
_SET_ELEMENTS = 3  # NFTA_SET_ELEM_LIST_ELEMENTS
_MOST_ELEMENTS = 60_000
"""Bytes of elements in one message: they are one attribute, of 65,535 at most."""

Subject = NftTable | TableId | NftChain | UnknownChain | NftRule | NftSet | UnknownSet | Elements


class Operation(Enum):
    """What is done with it."""

    ADD = auto()
    INSERT = auto()
    """Of a rule: before all others of its chain."""
    REPLACE = auto()
    """Of a rule: at the place of the one with its handle."""
    DELETE = auto()
    FLUSH = auto()
    """Of a chain or a set: deletes what is in it."""


class NftChange(Struct, frozen=True):
    """One change. A table that is deleted goes with all that is in it; a chain has to be empty,
    and chain and set have to be without rules that ask for them. A rule that is deleted or
    replaced is the one with its handle.
    """

    operation: Operation
    subject: Subject

    def __str__(self) -> str:
        return f"{self.operation.name.lower()} {self.subject}"


def add(*subjects: Subject) -> tuple[NftChange, ...]:
    """Add them, one after the other."""
    return tuple(NftChange(Operation.ADD, each) for each in subjects)


def delete(*subjects: Subject) -> tuple[NftChange, ...]:
    """Delete them, one after the other."""
    return tuple(NftChange(Operation.DELETE, each) for each in subjects)


def flush(*subjects: NftChain | UnknownChain | NftSet | UnknownSet) -> tuple[NftChange, ...]:
    """Empty them, one after the other."""
    return tuple(NftChange(Operation.FLUSH, each) for each in subjects)


class Prepared(Struct, frozen=True):
    """A request, and the change that it is of; of elements, those whose attributes are in it, once
    for each attribute.
    """

    request: NftRequest
    change: NftChange
    elements: tuple[NftElement, ...] = ()

    def refused(self, refusal: NftRefusal) -> NftElement | None:
        """The element that the kernel does not like, where it is about one."""
        if refusal.offset is None or not self.elements:
            return None
        at = _element_at(self.request.payload, refusal.offset)
        return None if at is None else self.elements[at]


def prepared(changes: Iterable[NftChange]) -> tuple[Prepared, ...]:
    """The requests of a transaction. Raises ValueError for what cannot be said to the kernel."""
    return tuple(request for each in changes for request in _requests(each))


def _requests(change: NftChange) -> Iterator[Prepared]:
    match change.operation, change.subject:
        case (Operation.ADD | Operation.DELETE) as operation, Elements() as some:
            yield from _of_elements(change, some, adding=operation is Operation.ADD)
        case operation, subject:
            family, kind, payload, flags = _of_object(operation, subject)
            yield Prepared(NftRequest(kind, family, payload, flags), change)


def _of_object(operation: Operation, subject: Subject) -> tuple[int, int, bytes, int]:
    """Family, kind, attributes, flags."""
    match operation, subject:
        case Operation.ADD, NftTable():
            return subject.id.family, _NEWTABLE, table_parts(subject), _CREATE
        case Operation.DELETE, NftTable(id=table) | (TableId() as table):
            return table.family, _DELTABLE, wire.text(TABLE, table.name), 0
        case Operation.ADD, NftChain(table=table):
            return table.family, _NEWCHAIN, chain_parts(subject), _CREATE
        case Operation.DELETE, NftChain(table=table, name=name) | UnknownChain(table, name):
            parts = wire.text(TABLE, table.name) + wire.text(CHAIN_NAME, name)
            return table.family, _DELCHAIN, parts, 0
        case Operation.FLUSH, NftChain(table=table, name=name) | UnknownChain(table, name):
            return table.family, _DELRULE, _named(table, name), 0
        case Operation.ADD, NftRule(table=table, handle=0):
            return table.family, _NEWRULE, rule_parts(subject), _CREATE | _APPEND
        case Operation.INSERT, NftRule(table=table, handle=0):
            return table.family, _NEWRULE, rule_parts(subject), _CREATE
        case Operation.REPLACE, NftRule(table=table, handle=handle) if handle:
            return table.family, _NEWRULE, rule_parts(subject), _REPLACE
        case Operation.DELETE, NftRule(table=table, chain=chain, handle=handle) if handle:
            parts = _named(table, chain) + wire.be64(RULE_HANDLE, handle)
            return table.family, _DELRULE, parts, 0
        case Operation.ADD, NftSet(table=table):
            return table.family, _NEWSET, set_parts(subject), _CREATE
        case Operation.DELETE, NftSet(table=table, name=name) | UnknownSet(table, name):
            return table.family, _DELSET, _named(table, name), 0
        case Operation.FLUSH, NftSet(table=table, name=name) | UnknownSet(table, name):
            return table.family, _DELSETELEM, _named(table, name), 0
    raise ValueError(f"no such change: {NftChange(operation, subject)}")


def _of_elements(change: NftChange, some: Elements, *, adding: bool) -> Iterator[Prepared]:
    """As few requests as hold them. Those for no elements at all are none: the kernel would take
    it for all.
    """
    of = some.of
    parts: list[bytes] = []
    those: list[NftElement] = []
    size = 0
    for each in some.elements:
        made = [wire.nest(1, part) for part in element_parts(of, each)]
        length = sum(map(len, made))
        if parts and size + length > _MOST_ELEMENTS:
            yield _some(change, of, parts, those, adding=adding)
            parts, those, size = [], [], 0
        parts += made
        those += [each] * len(made)
        size += length
    if parts:
        yield _some(change, of, parts, those, adding=adding)


def _some(
    change: NftChange, of: NftSet, parts: list[bytes], those: list[NftElement], *, adding: bool
) -> Prepared:
    payload = _named(of.table, of.name) + wire.nest(_SET_ELEMENTS, *parts)
    kind, flags = (_NEWSETELEM, _CREATE) if adding else (_DELSETELEM, 0)
    return Prepared(NftRequest(kind, of.table.family, payload, flags), change, tuple(those))


def _named(table: TableId, name: str) -> bytes:
    """What names a set, or the chain of a rule."""
    return wire.text(TABLE, table.name) + wire.text(NAME, name)


def _element_at(payload: bytes, offset: int) -> int | None:
    """Which attribute of the list of elements an offset is in; None: in none of them."""
    try:
        for kind, at, inner in each_attribute(payload):
            begin = at + 4
            if kind == _SET_ELEMENTS and begin <= offset < begin + len(inner):
                for place, (_, start, value) in enumerate(each_attribute(inner)):
                    if begin + start <= offset < begin + start + 4 + len(value):
                        return place
    except NetlinkError:
        return None
    return None
