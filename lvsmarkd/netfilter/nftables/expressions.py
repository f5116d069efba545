"""Expressions: what a rule of nf_tables is made of, as values.

A rule loads into registers, compares and looks up what is there, stores from them; it ends where
something does not match. Registers are numbered here by their first word of four bytes, 0 to 15, as
the kernel has them (a field of a concatenated key begins at a word); they hold bytes as in the
packet, or the host's own numbers.
"""

from enum import IntEnum

from msgspec import Struct

VERDICT_REGISTER = -1
"""The one that a verdict is put into."""


class Expression(Struct, frozen=True):
    """One of the classes below."""


class VerdictCode(IntEnum):
    """What becomes of the packet (NF_*, NFT_*)."""

    DROP = 0
    ACCEPT = 1
    CONTINUE = -1
    BREAK = -2
    JUMP = -3
    GOTO = -4
    RETURN = -5


class NftVerdict(Struct, frozen=True):
    """A verdict; ``chain`` is where a jump or a goto goes on."""

    code: VerdictCode
    chain: str = ""


Data = bytes | NftVerdict
"""What is in a register."""


class PayloadBase(IntEnum):
    """Where an offset into a packet counts from."""

    LINK = 0
    NETWORK = 1
    TRANSPORT = 2


class MetaKey(IntEnum):
    """What is known of a packet besides its bytes."""

    MARK = 3
    IIF = 4
    OIF = 5
    IIFNAME = 6
    OIFNAME = 7
    IIFTYPE = 8
    NFPROTO = 15
    L4PROTO = 16


class CtKey(IntEnum):
    """What conntrack knows of the connection of a packet."""

    STATE = 0
    STATUS = 2
    MARK = 3


class FibResult(IntEnum):
    """What is asked of the routing tables."""

    OIF = 1
    OIFNAME = 2
    ADDRTYPE = 3


class Comparison(IntEnum):
    """How a register is compared, byte by byte."""

    EQ = 0
    NEQ = 1
    LT = 2
    LTE = 3
    GT = 4
    GTE = 5


class Payload(Expression, frozen=True):
    """Loads bytes of the packet."""

    base: PayloadBase
    offset: int
    length: int
    register: int = 0


class LoadMeta(Expression, frozen=True):
    """Loads something that is known of the packet."""

    key: MetaKey
    register: int = 0


class StoreMeta(Expression, frozen=True):
    """Changes it: the mark of the packet."""

    key: MetaKey
    register: int = 0


class LoadCt(Expression, frozen=True):
    """Loads something of the connection; of one direction (0: of the first packet) for some."""

    key: CtKey
    direction: int | None = None
    register: int = 0


class StoreCt(Expression, frozen=True):
    """Changes it: the mark of the connection."""

    key: CtKey
    register: int = 0


FIB_SADDR, FIB_DADDR, FIB_MARK, FIB_IIF, FIB_OIF = 1, 2, 4, 8, 16
"""What routing is asked by (NFTA_FIB_F_*)."""


class LoadFib(Expression, frozen=True):
    """Loads what the routing tables say."""

    result: FibResult
    asked_by: int
    register: int = 0


class Cmp(Expression, frozen=True):
    """Goes on where a register compares so with ``data``."""

    data: bytes
    comparison: Comparison = Comparison.EQ
    register: int = 0


class CmpRange(Expression, frozen=True):
    """Goes on where a register is ``first`` to ``last``, both included; or, by NEQ, is not."""

    first: bytes
    last: bytes
    comparison: Comparison = Comparison.EQ
    register: int = 0


class Bitwise(Expression, frozen=True):
    """Makes ``(register & mask) ^ xor`` of a register, as long as these two are."""

    length: int
    mask: bytes
    xor: bytes
    source: int = 0
    register: int = 0


class SetLookup(Expression, frozen=True):
    """Goes on where a register is in a set, or, ``inverted``, is not; puts what a map gives into
    ``target``.
    """

    name: str
    source: int = 0
    target: int | None = None
    inverted: bool = False


class Immediate(Expression, frozen=True):
    """Puts something into a register. A verdict there ends the rule."""

    data: Data
    register: int = 0


class Counts(Expression, frozen=True):
    """Counts. What is given is where it starts; what is read is how far it is."""

    packets: int = 0
    octets: int = 0


class UnknownExpression(Expression, frozen=True):
    """Any other, or one with something that is not known here: its name, and its attributes."""

    name: str
    attributes: bytes


def verdict(code: VerdictCode, chain: str = "") -> Immediate:
    """The expression that a verdict is."""
    return Immediate(NftVerdict(code, chain), VERDICT_REGISTER)


ACCEPT, DROP, RETURN = map(verdict, (VerdictCode.ACCEPT, VerdictCode.DROP, VerdictCode.RETURN))


def jump(chain: str) -> Immediate:
    """Goes on in another chain of the table, and behind this rule when that ends."""
    return verdict(VerdictCode.JUMP, chain)


def goto(chain: str) -> Immediate:
    """Goes on in another chain of the table, and not behind this rule."""
    return verdict(VerdictCode.GOTO, chain)
