"""Many tables from seeds: each is written by us and listed by nft, then written by nft and read
by us, then changed.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, zip_longest

from msgspec import Struct, field

from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.netfilter.nftables.changes import NftChange, Operation, add, delete
from lvsmarkd.netfilter.nftables.contents import look_up, read_contents
from lvsmarkd.netfilter.nftables.datatypes import key_values
from lvsmarkd.netfilter.nftables.expressions import (
    Cmp,
    CmpRange,
    Comparison,
    Expression,
    LoadMeta,
    MetaKey,
    Payload,
    PayloadBase,
    UnknownExpression,
)
from lvsmarkd.netfilter.nftables.objects import Elements, NftElement, NftRule, NftSet, NftTable
from lvsmarkd.netfilter.nftables.transaction import write
from tests.fuzz.nftables.generator import Generator
from tests.fuzz.nftables.made import Made
from tests.fuzz.nftables.witness import any_ports, listed_elements
from tests.harness.netns import enter_fresh
from tests.harness.nft import Nft


class Campaign(Struct):
    """Seeds ``seed/0``, ``seed/1`` …, in a network namespace of its own."""

    seed: str
    nfts: tuple[Nft, ...]
    counts: Counter[str] = field(default_factory=Counter)

    def run(self, numbers: Iterable[int], seconds: float = 1e9) -> None:
        """Those of these numbers, until time is up. Raises AssertionError, which names the seed, at
        the first that is not as it is to be.
        """
        end = time.monotonic() + seconds
        enter_fresh()
        with NfTablesSocket() as kernel:
            for number in numbers:
                if time.monotonic() > end:
                    return
                seed = f"{self.seed}/{number}"
                try:
                    self._one(kernel, Generator(seed), self.nfts[number % len(self.nfts)])
                except Exception as error:
                    raise AssertionError(f"seed {seed}: {error!r}") from error

    def _one(self, kernel: NfTablesSocket, chance: Generator, nft: Nft) -> None:
        made = chance.made()
        write(kernel, add(NftTable(made.table)) + tuple(_all_of(made)))
        self.counts["tables"] += 1
        self._compare(kernel, made, nft)
        for _ in range(2):
            write(kernel, self._changed(kernel, made, chance))
            self.counts["changes"] += 1
            self._compare(kernel, made, nft)
        text = nft.run("list", "ruleset")
        nft.load("flush ruleset\n" + text)
        self._read(kernel, made)
        write(kernel, delete(made.table))
        assert nft.listed() == []

    def _compare(self, kernel: NfTablesSocket, made: Made, nft: Nft) -> None:
        """Both have to tell what was made."""
        self._read(kernel, made)
        listed = nft.listed()
        for of in made.sets:
            kind = "set" if of.data is None else "map"
            (found,) = [
                each for name, each in listed if (name, each.get("name")) == (kind, of.name)
            ]
            self._same(listed_elements(of, found), _sorted(made.elements[of.name]), of)
            assert set(found.get("flags", [])) == ({"interval"} if of.interval else set()), found
        for chain in made.chains:
            (found,) = [
                each for name, each in listed if (name, each.get("name")) == ("chain", chain.name)
            ]
            if (base := chain.base) is not None:
                told = (found["hook"], found["prio"], found["type"], found["policy"])
                policy = "drop" if base.drops else "accept"
                assert told == (base.hook, base.priority, base.type, policy), found
            rules = [
                (any_ports(each["expr"]), each.get("comment", ""))
                for name, each in listed
                if name == "rule" and each["chain"] == chain.name
            ]
            wanted = [(any_ports(said), rule.comment) for rule, said in made.rules[chain.name]]
            self._same(rules, wanted, chain)
            self.counts["rules"] += len(rules)

    def _read(self, kernel: NfTablesSocket, made: Made) -> None:
        """We have to read what was made."""
        found = read_contents(kernel, made.table)
        self._same(found.table, NftTable(made.table), "table")
        self._same(set(found.chains), set(made.chains), "chains")
        self._same(set(found.sets), set(made.sets), "sets")
        for of in made.sets:
            wanted = _sorted(made.elements[of.name])
            self._same(found.elements[of.name], wanted, of)
            self.counts["elements"] += len(wanted)
            for each in wanted[:2]:
                key = key_values(of.key, each.start)
                self._same(look_up(kernel, of, *key), each, f"{of}: {key}")
        for chain, rules in made.rules.items():
            those = [_as_nft_has_it(each) for each in found.rules[chain]]
            self._same(those, [_as_nft_has_it(rule) for rule, _ in rules], chain)

    def _changed(
        self, kernel: NfTablesSocket, made: Made, chance: Generator
    ) -> tuple[NftChange, ...]:
        """Some changes, which are then in ``made``, too."""
        changes: list[NftChange] = []
        for of in made.sets:
            changes += self._other_elements(made, of, chance)
        found = read_contents(kernel, made.table)
        for chain in made.chains:
            held = made.rules[chain.name]
            for at in reversed(range(len(held))):
                old = found.rules[chain.name][at]
                match chance.random.randrange(4):
                    case 0:
                        changes += delete(old)
                        del held[at]
                    case 1:
                        new, said = chance.rule(made, chain)
                        held[at] = new, said
                        placed = NftRule(
                            new.table, new.chain, new.expressions, new.comment, old.handle
                        )
                        changes.append(NftChange(Operation.REPLACE, placed))
            new, said = chance.rule(made, chain)
            operation = chance.random.choice((Operation.ADD, Operation.INSERT))
            changes.append(NftChange(operation, new))
            held.insert(0 if operation is Operation.INSERT else len(held), (new, said))
        return tuple(changes)

    def _other_elements(self, made: Made, of: NftSet, chance: Generator) -> Iterator[NftChange]:
        held = made.elements[of.name]
        gone = chance.random.sample(held, chance.random.randint(0, len(held)))
        left = [each for each in held if each not in gone]
        new = chance.elements(made, of, left)
        made.elements[of.name] = left + new
        yield from delete(Elements(of, tuple(gone)))
        yield from add(Elements(of, tuple(new)))

    def _same(self, found: object, wanted: object, what: object) -> None:
        if found == wanted:
            return
        if isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
            odd = [each for each in zip_longest(found, wanted) if each[0] != each[1]]
            found, wanted = odd[0]
        raise AssertionError(f"{what}: {found!r} is not {wanted!r}")


def work(
    seed: str, first: int, step: int, seconds: float, editions: tuple[str, ...]
) -> Counter[str]:
    """One worker: every so many tables."""
    campaign = Campaign(seed, tuple(map(Nft.of, editions)))
    campaign.run(count(first, step), seconds)
    return campaign.counts


def _all_of(made: Made) -> Iterator[NftChange]:
    yield from add(*made.chains, *made.sets)
    for of in made.sets:
        yield from add(Elements(of, tuple(made.elements[of.name])))
    for rules in made.rules.values():
        yield from add(*(rule for rule, _ in rules))


def _sorted(elements: list[NftElement]) -> tuple[NftElement, ...]:
    return tuple(sorted(elements, key=lambda each: each.start))


_ETHER_TYPES = {b"\x08\x00": b"\x02", b"\x86\xdd": b"\x0a"}


def _as_nft_has_it(rule: NftRule) -> NftRule:
    """The same in the one of nft's ways of saying it that is ours: it compares twice for a range
    (1.0), asks for the type in the Ethernet header where that was looked at before, and turns
    round the one byte of a protocol in an interval.
    """
    whole: list[Expression] = []
    for each in rule.expressions:
        match whole[-1:], each:
            case [Cmp(first, Comparison.GTE)], Cmp(last, Comparison.LTE):
                whole[-1] = CmpRange(first, last)
            case [Payload(PayloadBase.LINK, 12, 2)], Cmp(kind):
                whole[-1:] = [LoadMeta(MetaKey.NFPROTO), Cmp(_ETHER_TYPES[kind])]
            case _, UnknownExpression("byteorder"):
                pass
            case _:
                whole.append(each)
    return NftRule(rule.table, rule.chain, tuple(whole), rule.comment)
