"""All that is in one table of nf_tables, read from the kernel as it was at one generation."""

import errno
from collections.abc import Iterator

from lvsmarkd.kernel.netlink import attributes
from lvsmarkd.kernel.nf_tables_batch import NFGENMSG, SUBSYSTEM
from lvsmarkd.kernel.nf_tables_socket import TIMEOUT_SECONDS, NfTablesSocket
from lvsmarkd.netfilter.nftables import wire
from lvsmarkd.netfilter.nftables.datatypes import Value, packed_key
from lvsmarkd.netfilter.nftables.element_wire import key_parts, read_elements
from lvsmarkd.netfilter.nftables.object_wire import NAME, TABLE, read_chain, read_rule, read_table
from lvsmarkd.netfilter.nftables.objects import (
    NftElement,
    NftRule,
    NftSet,
    TableContents,
    TableId,
)
from lvsmarkd.netfilter.nftables.set_wire import read_set

_GETTABLE, _GETCHAIN, _GETRULE, _GETSET, _GETSETELEM = 1, 4, 7, 10, 13  # NFT_MSG_*
_SET_ELEMENTS = 3  # NFTA_SET_ELEM_LIST_ELEMENTS


def read_contents(
    kernel: NfTablesSocket,
    table: TableId,
    timeout: float = TIMEOUT_SECONDS,
    *,
    elements: bool = True,
) -> TableContents:
    """Read a table, once more where somebody changes nf_tables meanwhile. Without ``elements``,
    which may be many, these are left out.

    Raises OSError, TimeoutError among these, and NetlinkError where it cannot be read.
    """
    return kernel.steadily(
        lambda generation: _contents(kernel, table, generation, elements=elements), timeout
    )


def read_elements_of(
    kernel: NfTablesSocket, of: NftSet, timeout: float = TIMEOUT_SECONDS
) -> tuple[NftElement, ...]:
    """The elements of a set, with what they counted: of one generation. Raises as above, and
    OSError (ENOENT) where there is no such set.
    """
    return kernel.steadily(lambda _: _elements(kernel, of), timeout)


def look_up(
    kernel: NfTablesSocket, of: NftSet, *key: Value, timeout: float = TIMEOUT_SECONDS
) -> NftElement | None:
    """The element of a set that has a key; None where none has.

    The kernel is asked for this one, which takes 0.1 ms however many there are; but for an interval
    set of a single field, of which all are read. Raises as above, and ValueError where the key has
    other types.
    """
    wanted = packed_key(of.key, key)
    if of.interval and not of.concatenated:
        found = read_elements_of(kernel, of, timeout)
        return next((each for each in found if each.start <= wanted <= each.end), None)
    question = NFGENMSG.pack(of.table.family, 0, 0) + _named(of)
    question += wire.listed(_SET_ELEMENTS, (key_parts(wanted),))
    try:
        answer = kernel.within(timeout).ask(SUBSYSTEM | _GETSETELEM, question)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    return next(iter(read_elements(of, _listed(answer))), None)


def _contents(
    kernel: NfTablesSocket, table: TableId, generation: int, *, elements: bool
) -> TableContents:
    question = NFGENMSG.pack(table.family, 0, 0) + wire.text(TABLE, table.name)
    try:
        (found,) = kernel.ask(SUBSYSTEM | _GETTABLE, question)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return TableContents(generation=generation)
        raise
    chains = [read_chain(each) for each in _dump(kernel, _GETCHAIN, table)]
    sets = [read_set(each) for each in _dump(kernel, _GETSET, table)]
    rules: dict[str, list[NftRule]] = {each.name: [] for each in chains}
    for rule in map(read_rule, _dump(kernel, _GETRULE, table)):
        rules.setdefault(rule.chain, []).append(rule)
    return TableContents(
        read_table(found),
        tuple(chains),
        tuple(sets),
        {chain: tuple(those) for chain, those in rules.items()},
        {
            each.name: _elements(kernel, each)
            for each in sets
            if elements and isinstance(each, NftSet)
        },
        generation,
    )


def _dump(kernel: NfTablesSocket, kind: int, table: TableId) -> Iterator[bytes]:
    """The messages about one table; the kernel tells all chains of a family."""
    question = NFGENMSG.pack(table.family, 0, 0) + wire.text(TABLE, table.name)
    for body in kernel.dump(SUBSYSTEM | kind, question).bodies:
        if wire.name(attributes(body, NFGENMSG.size).get(TABLE, b"")) == table.name:
            yield body


def _elements(kernel: NfTablesSocket, of: NftSet) -> tuple[NftElement, ...]:
    question = NFGENMSG.pack(of.table.family, 0, 0) + _named(of)
    return read_elements(of, _listed(kernel.dump(SUBSYSTEM | _GETSETELEM, question).bodies))


def _listed(bodies: tuple[bytes, ...]) -> Iterator[bytes]:
    """What is in the lists of elements of several messages."""
    for body in bodies:
        yield from wire.list_of(attributes(body, NFGENMSG.size).get(_SET_ELEMENTS, b""))


def _named(of: NftSet) -> bytes:
    return wire.text(TABLE, of.table.name) + wire.text(NAME, of.name)
