"""Qualifiers: what a declaration may say about packets besides destination, protocol and ports.

This is the one table of them. What each is called and how it is read, compared and printed is
said here; how a firewall says it, in the table beside its renderer (netfilter/*_qualifiers.py,
backends/firewalld/rich/qualifiers.py). docs/architecture.md has how to add one.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable
from enum import Enum, auto
from typing import ClassVar, Self

from msgspec import Struct

from lvsmarkd.model.refusal import RefusalError, shown


class OwnPackets(Enum):
    """How a qualifier reads for packets that the host itself sends, which no interface received
    and no neighbour sent.
    """

    NONE = auto()
    """It holds for no such packet."""
    ALL = auto()
    """It holds for all of them."""
    SAME = auto()
    """It says of them what it says of others."""


class Qualifier(Struct, frozen=True):
    """A condition on packets. A frozen value with slots; its fields are in normal form, so that
    two that mean the same are equal.
    """

    keyword: ClassVar[str]
    """Its word in annotations; in TOML and JSON the same with ``_``."""
    expected: ClassVar[str]
    """What one value of it looks like: a noun phrase, for refusals."""
    listed: ClassVar[bool] = False
    """Whether it takes a list of values."""
    on_own_packets: ClassVar[OwnPackets]

    @classmethod
    def key(cls) -> str:
        """Its key in TOML and JSON."""
        return cls.keyword.replace("-", "_")

    @classmethod
    @abstractmethod
    def checked(cls, text: str) -> str:
        """One value as people write it, in normal form. Raises RefusalError."""

    @classmethod
    @abstractmethod
    def of(cls, *values: str) -> Self:
        """The qualifier of these values, one at least, in normal form."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """What follows the keyword in an annotation. Raises RefusalError."""
        return cls.of(*map(cls.checked, text.split(",") if cls.listed else (text,)))

    @property
    @abstractmethod
    def values(self) -> tuple[str, ...]:
        """Its values, as ``of`` takes them."""

    @abstractmethod
    def covers(self, other: Self) -> bool:
        """Whether it holds for every packet that ``other`` holds for."""

    @abstractmethod
    def intersect(self, other: Self) -> Self | None:
        """What holds for just the packets that both hold for; None: for none."""

    def beyond(self, most: int) -> str:
        """What to tell where a rule can have fewer values of it than it has: ``most`` of them, 0
        where the firewall cannot look at it at all. What was found, and after a colon what to do.
        """
        few = "cannot look at it" if most == 0 else f"can look at {most} values at most"
        remedy = "leave it out" if most == 0 else "write fewer"
        return f"found {self}, and the firewall that keeps the rules {few}: {remedy}"

    def __str__(self) -> str:
        return f"{self.keyword} {','.join(self.values)}"


_INTERFACE = re.compile(r"[A-Za-z0-9_.:@%-]{1,15}")


class InInterface(Qualifier, frozen=True):
    """Packets that enter by this interface."""

    keyword: ClassVar[str] = "in-interface"
    expected: ClassVar[str] = "the name of an interface, 1 to 15 of A-Z a-z 0-9 _ . : @ % -"
    on_own_packets: ClassVar[OwnPackets] = OwnPackets.NONE
    name: str

    @classmethod
    def checked(cls, text: str) -> str:
        """The name of an interface; no wildcard."""
        if text.endswith(("+", "*")):
            hint = "wildcards are not known here: write one declaration for each interface"
            raise RefusalError(text, cls.expected, hint)
        if not _INTERFACE.fullmatch(text) or text.startswith("-") or text in {".", ".."}:
            hint = f"{shown(text)} has {len(text)} characters" if len(text) > 15 else ""
            raise RefusalError(text, cls.expected, hint)
        return text

    @classmethod
    def of(cls, *values: str) -> Self:
        """By this interface."""
        (name,) = values
        return cls(name=name)

    @property
    def values(self) -> tuple[str, ...]:
        """The interface."""
        return (self.name,)

    def covers(self, other: Self) -> bool:
        """The same interface."""
        return self == other

    def intersect(self, other: Self) -> Self | None:
        """No packet enters by two interfaces."""
        return self if self == other else None

    def beyond(self, most: int) -> str:
        """Of one interface or none."""
        del most
        return (
            f"found {self}, and the firewall that keeps the rules cannot look at interfaces:"
            " leave it out"
        )


_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_MAC_DIGITS = re.compile(r"[0-9a-f]{12}")


class NotFromMac(Qualifier, frozen=True):
    """Packets but those that come from these MAC addresses: other directors', where directors are
    also real servers. ``macs`` are sorted, in lower case and with colons, each once.
    """

    keyword: ClassVar[str] = "not-from-mac"
    expected: ClassVar[str] = "a MAC address as 52:54:00:12:34:56"
    listed: ClassVar[bool] = True
    on_own_packets: ClassVar[OwnPackets] = OwnPackets.ALL
    macs: tuple[str, ...]

    @classmethod
    def checked(cls, text: str) -> str:
        """A MAC address, in lower case and with colons."""
        plain = text.lower().replace("-", ":")
        if _MAC.fullmatch(plain):
            return plain
        digits = re.sub(r"[:.\- ]", "", plain)
        hint = ""
        if _MAC_DIGITS.fullmatch(digits):
            hint = "write " + ":".join(digits[at : at + 2] for at in range(0, 12, 2))
        raise RefusalError(text, cls.expected, hint)

    @classmethod
    def of(cls, *values: str) -> Self:
        """From none of these."""
        return cls(macs=tuple(sorted(set(values))))

    @property
    def values(self) -> tuple[str, ...]:
        """The addresses."""
        return self.macs

    def covers(self, other: Self) -> bool:
        """It leaves out none that ``other`` does not leave out."""
        return set(self.macs) <= set(other.macs)

    def intersect(self, other: Self) -> Self | None:
        """Those of both are left out; every other sender is still there."""
        return self.of(*self.macs, *other.macs)

    def beyond(self, most: int) -> str:
        """Of more senders than a rule can leave out."""
        return (
            f"found {len(self.macs)} addresses in {self.keyword}, and the firewall that keeps the"
            f" rules can leave out {most} at most: write fewer"
        )


QUALIFIERS: tuple[type[Qualifier], ...] = (InInterface, NotFromMac)
"""All there are, in the order in which they are printed. Ask ``kinds``, which sees a change."""


def kinds() -> tuple[type[Qualifier], ...]:
    """All kinds of qualifiers, in their order."""
    return QUALIFIERS


def in_order(qualifiers: Iterable[Qualifier]) -> tuple[Qualifier, ...]:
    """The same in their order. Raises ValueError for two of a kind, and for an unknown kind."""
    by_kind: dict[type[Qualifier], Qualifier] = {}
    for each in qualifiers:
        if type(each) not in kinds() or type(each) in by_kind:
            raise ValueError(f"an unknown qualifier, or two of a kind: {each}")
        by_kind[type(each)] = each
    return tuple(by_kind[kind] for kind in kinds() if kind in by_kind)
