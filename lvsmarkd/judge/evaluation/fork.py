"""Where the way of packets parts, and the rules do not tell which of them goes where."""

from enum import StrEnum

from msgspec import Struct

from lvsmarkd.model.rule_spec import Condition, Effect
from lvsmarkd.model.ruleset import TableKey, TableRule


class Likelihood(StrEnum):
    """What is known of the two ways that a fork leaves."""

    UNKNOWN = "unknown"
    """One of them, or both."""
    BOTH = "both"
    """Some packets go the one, others the other (by chance, by turns)."""
    RATE = "rate"
    """An ordinary sender goes the first, one of too many packets the other."""


_RATES = frozenset({"limit", "hashlimit", "connlimit", "recent", "quota", "ct count"})
"""Modules of iptables, and statements of nft, that count packets, connections or bytes."""
_CHANCE = frozenset({"statistic", "numgen"})


def likelihood(module: str) -> Likelihood:
    """What a condition that is not understood leaves open, by who knows it (`Opaque.module`)."""
    if module in _RATES:
        return Likelihood.RATE
    return Likelihood.BOTH if module in _CHANCE else Likelihood.UNKNOWN


class Place(Struct, frozen=True):
    """A rule where it is met; ``rule`` is None for the end of a base chain, its policy."""

    table: TableKey
    chain: str
    rule: TableRule | None = None


class Fork(Struct, frozen=True):
    """``place`` is the rule that parts the ways; ``why`` what of it: a condition, an effect, or in
    words what else. ``matched`` is the way taken.
    """

    place: Place
    why: Condition | Effect | str
    likelihood: Likelihood = Likelihood.UNKNOWN
    matched: bool = False
