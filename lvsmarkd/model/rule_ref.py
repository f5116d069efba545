"""Where a rule of somebody else's stands, and how it is listed there."""

from enum import Enum

from msgspec import Struct


class Keeper(Enum):
    """Who lists a rule: its text is in the words of this one, and its table is one of its."""

    IPTABLES = "table {table}, chain {chain}"
    NFTABLES = "nft table {table}, chain {chain}"
    FIREWALLD = "firewalld's {chain}"


class RuleRef(Struct, frozen=True, eq=False):
    """Names one rule of somebody else's.

    ``table`` and ``chain`` are names as the keeper writes them: of nft the family and the name
    (``inet firewalld``), of firewalld no table and the container (``zone public``). ``text`` is
    the rule as listed. ``line`` is its number in the chain, from 1, where that is known; it
    names the rule to people and not to us, since a rule stays the same one when another is put
    in before it.
    """

    table: str
    chain: str
    text: str
    line: int = 0
    keeper: Keeper = Keeper.IPTABLES

    @property
    def where(self) -> str:
        """Table and chain, as part of a sentence."""
        if not self.table and self.keeper is not Keeper.FIREWALLD:
            return self.chain
        return self.keeper.value.format(table=self.table, chain=self.chain)

    @property
    def is_policy(self) -> bool:
        """Whether it is no rule, but the policy of a base chain."""
        return not self.text and not self.line

    def is_beside(self, other: "RuleRef") -> bool:
        """Whether both stand in one chain."""
        return (self.keeper, self.table, self.chain) == (other.keeper, other.table, other.chain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleRef) and self._identity == other._identity

    def __ne__(self, other: object) -> bool:
        """Said, since msgspec's own would compare identities."""
        return not self == other

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, str, Keeper]:
        """All but the line."""
        return self.table, self.chain, self.text, self.keeper

    def __str__(self) -> str:
        return self.text
