"""Tables by chance, the same every time: what is in them as values, and as nft has to list it."""

from collections.abc import Sequence

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.rule import Hook
from lvsmarkd.netfilter.nftables.datatypes import (
    DataType,
    KeyType,
    Value,
    key_length,
)
from lvsmarkd.netfilter.nftables.expressions import (
    Counts,
    NftVerdict,
    VerdictCode,
)
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    ChainType,
    NftChain,
    NftElement,
    NftRule,
    NftSet,
    TableId,
)
from tests.fuzz.nftables.chance import Chance
from tests.fuzz.nftables.made import Made, Said
from tests.fuzz.nftables.rules import Rules

FIELDS = [each for each in DataType if each is not DataType.VERDICT]
BASES = (
    (Hook.PREROUTING, ChainType.FILTER),
    (Hook.INPUT, ChainType.FILTER),
    (Hook.OUTPUT, ChainType.ROUTE),
    (Hook.FORWARD, ChainType.FILTER),
)
MOST_KEY = 64  # NFT_DATA_VALUE_MAXLEN


class Generator:
    """Tables of one seed."""

    def __init__(self, seed: str) -> None:
        self.chance = Chance(seed)
        self.random = self.chance.random

    def made(self) -> Made:
        """A table."""
        made = Made(TableId(NftFamily.INET, f"t{self.random.randrange(100)}"))
        for number in range(self.random.randint(1, 3)):
            made.chains.append(NftChain(made.table, f"end{number}"))
        for number in range(self.random.randint(0, 2)):
            hook, kind = self.random.choice(BASES)
            base = ChainBase(
                hook, self.random.randint(-400, 400), kind, drops=self.chance.likely(0.3)
            )
            made.chains.append(NftChain(made.table, f"base{number}", base))
        for number in range(self.random.randint(0, 5)):
            of = self.set_of(made.table, f"s{number}")
            made.sets.append(of)
            made.elements[of.name] = self.elements(made, of, [])
        for chain in made.chains:
            count = self.random.randint(0, 5)
            made.rules[chain.name] = [self.rule(made, chain) for _ in range(count)]
        return made

    def rule(self, made: Made, chain: NftChain) -> tuple[NftRule, Said]:
        """A rule, and what nft says of it."""
        return Rules(self.chance, made).rule(chain)

    def set_of(self, table: TableId, name: str) -> NftSet:
        """A set or a map."""
        key = tuple(self.random.choices(FIELDS, k=self.random.choice((1, 1, 2, 3, 4, 5))))
        while key_length(key) > MOST_KEY:
            key = key[1:]
        ordered = DataType.MARK not in key and key != (DataType.IFNAME,)
        return NftSet(
            table,
            name,
            key,
            self.random.choice((None, DataType.MARK, DataType.MARK, DataType.VERDICT)),
            interval=ordered and self.chance.likely(0.5),
            counters=self.chance.likely(0.5),
            size=self.random.choice((0, 0, 1000)),
            comment=self.chance.comment(),
        )

    def elements(self, made: Made, of: NftSet, beside: Sequence[NftElement]) -> list[NftElement]:
        """Elements that a set can hold together, beside those that it has."""
        held = list(beside)
        found = []
        for _ in range(self.random.choice((0, 1, 3, 10, 40))):
            each = self._element(made, of)
            if not any(overlap(of.key, each, other) for other in held):
                held.append(each)
                found.append(each)
        return found

    def _element(self, made: Made, of: NftSet) -> NftElement:
        first = [self.chance.value(kind) for kind in of.key]
        last = [
            self.chance.until(kind, value) if of.interval else value
            for kind, value in zip(of.key, first, strict=True)
        ]
        data: Value | NftVerdict | None = None
        if of.data is DataType.VERDICT:
            data = self._verdict_value(made)
        elif of.data is not None:
            data = self.chance.mark()
        found = of.element(*first, to=last if of.interval else (), data=data)
        return NftElement(found.start, found.end, found.data, Counts() if of.counters else None)

    def _verdict_value(self, made: Made) -> NftVerdict:
        chain = self.random.choice(made.ends()).name
        return self.random.choice(
            (
                NftVerdict(VerdictCode.ACCEPT),
                NftVerdict(VerdictCode.DROP),
                NftVerdict(VerdictCode.RETURN),
                NftVerdict(VerdictCode.JUMP, chain),
                NftVerdict(VerdictCode.GOTO, chain),
            )
        )


def overlap(key: KeyType, one: NftElement, other: NftElement) -> bool:
    """Whether a key is in both, field by field."""
    at = 0
    for kind in key:
        part = slice(at, at + kind.length)
        if one.end[part] < other.start[part] or other.end[part] < one.start[part]:
            return False
        at += kind.length + -kind.length % 4
    return True
