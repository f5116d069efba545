"""Many rulesets from seeds, each put to the kernel and to the judge; disagreements made small."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from random import Random

from msgspec import Struct, field

from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.model.ports import MAX_PORT
from tests.fuzz.judge.comparison import Comparison, Disagreement, compare
from tests.fuzz.judge.dice import packets
from tests.fuzz.judge.director import INTERFACES, Director
from tests.fuzz.judge.packets import Packet
from tests.fuzz.judge.rulesets import ruleset
from tests.fuzz.judge.script import RefusedError, Script
from tests.harness.netns import private_mounts

PACKETS = 150
FLOWS = 6
_REFUSALS = 30
_SHRINKING = 60.0
"""Seconds that are spent on making one ruleset small."""
_Flow = tuple[Packet, PacketClass]


class Finding(Struct, frozen=True):
    """A disagreement: the seed it came from, the smallest rules that show it."""

    seed: str
    rules: Script
    disagreement: Disagreement

    def __str__(self) -> str:
        return "\n".join((f"seed {self.seed}", *self.rules, str(self.disagreement), ""))


Figures = tuple[Counter[str], Counter[str], int]
"""The counts, what made answers uncertain, how many findings."""


class Campaign(Struct):
    """Seeds ``seed/0``, ``seed/1`` …"""

    director: Director
    seed: str
    told: Callable[[Finding], None] = lambda _: None
    counts: Counter[str] = field(default_factory=Counter)
    hidden_by: Counter[str] = field(default_factory=Counter)
    found: list[Finding] = field(default_factory=list)

    def run(self, numbers: Iterable[int], seconds: float = 1e9) -> None:
        """Compare the rulesets of these numbers, until time is up."""
        end = time.monotonic() + seconds
        for number in numbers:
            if time.monotonic() > end:
                return
            self._one(f"{self.seed}/{number}")

    def summary(self) -> str:
        """The figures."""
        return "\n".join(
            (
                ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items())),
                "not certain: "
                + "; ".join(f"{n} {why}" for why, n in self.hidden_by.most_common(12)),
            )
        )

    def _one(self, seed: str) -> None:
        rules, families = ruleset(seed)
        sent = packets(seed, families, PACKETS)
        flows = list(flows_of(seed, sent))
        compared, rules = self._accepted(rules, sent, flows)
        if compared is None:
            self.counts["rulesets refused"] += 1
            return
        self.counts["rulesets"] += 1
        self.counts.update(compared.counts)
        self.hidden_by.update(compared.hidden_by)
        if compared.disagreements:
            self.counts["rulesets disagreed on"] += 1
            self.counts["disagreements"] += len(compared.disagreements)
            finding = self._small(seed, rules, compared.disagreements[0], flows)
            self.found.append(finding)
            self.told(finding)

    def _accepted(
        self, rules: Script, sent: list[Packet], flows: list[_Flow]
    ) -> tuple[Comparison | None, Script]:
        """The comparison, without the lines that a program would not take."""
        for _ in range(_REFUSALS):
            try:
                return compare(self.director, rules, sent, flows), rules
            except RefusedError as error:
                if error.at is None:
                    return None, rules
                rules = (*rules[: error.at], *rules[error.at + 1 :])
        return None, rules

    def _small(self, seed: str, rules: Script, first: Disagreement, flows: list[_Flow]) -> Finding:
        """The same disagreement about the same packet, by as few rules as there can be."""
        packet = first.packet
        flow = [each for each in flows if each[0] == packet] if first.of != "alone" else []
        end = time.monotonic() + _SHRINKING

        def again(fewer: Script) -> Disagreement | None:
            if time.monotonic() > end:
                return None
            try:
                found = compare(self.director, fewer, [packet], flow).disagreements
            except RefusedError:
                return None
            return next((each for each in found if each.of == first.of), None)

        size = len(rules) // 2
        while size:
            at = 0
            while at < len(rules):
                fewer = (*rules[:at], *rules[at + size :])
                if (smaller := again(fewer)) is not None:
                    rules, first = fewer, smaller
                else:
                    at += size
            size //= 2
        return Finding(seed, rules, first)


def work(seed: str, first: int, step: int, seconds: float, end: int | None) -> Figures:
    """One worker, in a namespace of its own: every so many rulesets."""
    private_mounts()
    campaign = Campaign(Director(), seed, lambda finding: print(finding, flush=True))
    campaign.run(count(first, step) if end is None else range(first, end), seconds)
    return campaign.counts, campaign.hidden_by, len(campaign.found)


def flows_of(seed: str, sent: list[Packet], count: int = FLOWS) -> Iterator[_Flow]:
    """For some packets a flow that they are in: several addresses, ports, interfaces."""
    random = Random(f"{seed} flows")
    for packet in random.sample(sent, min(count, len(sent))):
        alone = packet.alone
        bits = random.choice((0, 2, 4, 8))
        low, high = random.choice(((1, MAX_PORT), (alone.low, alone.low), (1, alone.low + 500)))
        first = alone.first >> bits << bits
        yield (
            packet,
            PacketClass(
                packet.family,
                first,
                first + (1 << bits) - 1,
                packet.protocol,
                low,
                min(high, MAX_PORT),
                frozenset(random.choice((INTERFACES, (packet.interface,)))),
            ),
        )
