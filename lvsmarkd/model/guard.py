"""What the guard does: the table that marks what the firewall's rules should have marked."""

from collections.abc import Mapping

from msgspec import Struct, field

from lvsmarkd.model.ruleset import Lister, TableKey
from lvsmarkd.model.service import ServiceKey

GUARD_TABLE = "lvsmarkd_guard"
"""Its name, of family inet."""
GUARD_KEY = TableKey(Lister.NFT, "inet", GUARD_TABLE)
"""Where a ruleset has it."""
GUARD_IN_RULES = f"inet {GUARD_TABLE}"
"""How the names of its rules tell it (RuleRef.table)."""


class GuardState(Struct, frozen=True):
    """``in_force``: packets without a mark that should have one get it. Where it is not,
    ``reason`` says why, or is empty where it is not wanted. ``lasts``: it stays where lvsmarkd
    ends. ``packets`` are those that it has marked since lvsmarkd began: they would have been lost.
    """

    in_force: bool = False
    reason: str = ""
    lasts: bool = False
    packets: Mapping[ServiceKey, int] = field(default_factory=dict)


NO_GUARD = GuardState()
"""It is not wanted."""
