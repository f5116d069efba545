"""Read, compare, write, as one: no update of somebody else's is lost, and none of ours.

A transaction names the generation that it was made from (NFNL_BATCH_GENID). Where somebody else was
faster the kernel does nothing of it, and it is made anew from what is there then.
"""

import errno
import time
from collections.abc import Callable, Iterable
from enum import Enum, auto

from msgspec import Struct

from lvsmarkd.kernel.nf_tables_batch import (
    BatchRefusedError,
    LostRaceError,
    NftRefusal,
    UnansweredError,
)
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import NfTablesWriter
from lvsmarkd.netfilter.nftables.changes import NftChange, Prepared, prepared
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.datatypes import key_values
from lvsmarkd.netfilter.nftables.objects import Elements, NftElement, NftSet, TableContents, TableId

PATIENCE_SECONDS = 5.0


class WhyRefused(Enum):
    """What a refusal is about, as far as one acts on it."""

    OTHER = auto()
    FORBIDDEN = auto()
    """Without CAP_NET_ADMIN nobody writes."""
    OWNED = auto()
    """The table is another socket's."""
    NOT_SUPPORTED = auto()
    """The kernel does not know it."""


class RefusedChange(Struct, frozen=True):
    """A change that the kernel refuses, and which element of it; of the whole transaction, None."""

    why: WhyRefused
    error: int
    words: str
    change: NftChange | None = None
    element: NftElement | None = None

    def __str__(self) -> str:
        match self.change:
            case None:
                return self.words
            case NftChange(_, Elements(of=of)) if self.element is not None:
                return f"{named_element(of, self.element)} of {of}: {self.words}"
            case change:
                return f"{change}: {self.words}"


class RefusedError(Exception):
    """A transaction of which nothing is done: ``refused`` is all that the kernel does not like."""

    def __init__(self, refused: tuple[RefusedChange, ...]) -> None:
        super().__init__("; ".join(map(str, refused)))
        self.refused = refused

    @property
    def why(self) -> WhyRefused:
        """What the first of them is about."""
        return self.refused[0].why


class ContendedError(Exception):
    """Others changed nf_tables for so long between each reading and writing of ours."""


def write(
    writer: NfTablesWriter | NfTablesSocket,
    changes: Iterable[NftChange],
    generation: int | None = None,
) -> None:
    """Do changes in one transaction, at a generation, where one is given.

    Raises RefusedError, LostRaceError, UnansweredError, OSError; a writer, which waits for its turn
    so long and no longer, KernelHeldError; ValueError for what cannot be said to the kernel.
    """
    requests = prepared(changes)
    try:
        writer.commit([each.request for each in requests], generation)
    except BatchRefusedError as error:
        raise RefusedError(tuple(_refused(requests, each) for each in error.refusals)) from error


def rewrite(
    reader: NfTablesSocket,
    writer: NfTablesWriter | NfTablesSocket,
    table: TableId,
    plan: Callable[[TableContents], Iterable[NftChange]],
    patience: float = PATIENCE_SECONDS,
) -> TableContents:
    """Read a table, do what ``plan`` says of it, and again where somebody else was faster.

    Gives the contents that were right: of which ``plan`` wanted no change, or those that its
    changes were made from. It may be called often, and does nothing else. Raises what
    ``read_contents`` and ``write`` raise, but LostRaceError and UnansweredError: ContendedError
    where these do not end within ``patience`` seconds.
    """
    end = time.monotonic() + patience
    while True:
        found = read_contents(reader, table)
        changes = tuple(plan(found))
        if not changes:
            return found
        try:
            write(writer, changes, found.generation)
        except (LostRaceError, UnansweredError) as error:
            if time.monotonic() > end:
                raise ContendedError(f"for {patience:.3g} s others were faster: {error}") from error
        else:
            return found


def named_element(of: NftSet, element: NftElement) -> str:
    """An element as people know it: 192.0.2.10 . 6 . 80-90."""
    first, last = key_values(of.key, element.start), key_values(of.key, element.end)
    return " . ".join(
        str(one) if one == other else f"{one}-{other}"
        for one, other in zip(first, last, strict=True)
    )


def _refused(requests: tuple[Prepared, ...], refusal: NftRefusal) -> RefusedChange:
    if refusal.request is None:
        forbidden = refusal.error == errno.EPERM
        why = WhyRefused.FORBIDDEN if forbidden else WhyRefused.OTHER
        return RefusedChange(why, refusal.error, str(refusal))
    request = requests[refusal.request]
    match refusal.error:
        case errno.EPERM:
            why, words = WhyRefused.OWNED, "the table belongs to another program's socket"
        case errno.EOPNOTSUPP:
            why, words = WhyRefused.NOT_SUPPORTED, str(refusal)
        case _:
            why, words = WhyRefused.OTHER, str(refusal)
    return RefusedChange(why, refusal.error, words, request.change, request.refused(refusal))
