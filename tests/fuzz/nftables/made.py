"""A table that was made by chance."""

from typing import Any

from msgspec import Struct, field

from lvsmarkd.netfilter.nftables.objects import NftChain, NftElement, NftRule, NftSet, TableId

Said = list[Any]
"""Statements, as ``nft -j`` has them."""


class Made(Struct):
    """A table that was made. ``rules`` are those of each chain, each with what nft says of it."""

    table: TableId
    chains: list[NftChain] = field(default_factory=list)
    sets: list[NftSet] = field(default_factory=list)
    elements: dict[str, list[NftElement]] = field(default_factory=dict)
    rules: dict[str, list[tuple[NftRule, Said]]] = field(default_factory=dict)

    def ends(self) -> list[NftChain]:
        """The chains that others may go to, and from which none goes anywhere."""
        return [each for each in self.chains if each.base is None]
