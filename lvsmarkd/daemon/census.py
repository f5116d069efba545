"""Counting what must hold and what does, for metrics and status."""

from collections import Counter
from dataclasses import dataclass

from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.verdict import covered
from lvsmarkd.model.observed import Chain, Observed
from lvsmarkd.model.report import ServiceState
from lvsmarkd.model.rule import Place, Plane
from lvsmarkd.model.service import Family, ServiceKey


@dataclass(frozen=True, slots=True)
class Census:
    """The services and rules at the end of a pass."""

    wanted: Desired
    seen: Observed
    last: bool = False

    def services(self) -> tuple[ServiceState, ...]:
        """Each service: covered or not, by what, and how many packets its rules have marked."""
        packets, kernel = self._packets(), self.wanted.world.kernel
        return tuple(
            ServiceState(
                key,
                state,
                str(self.wanted.coverage[key]),
                packets.get(key),
                kernel.holds(key) if kernel is not None else None,
                key in self.wanted.configured,
            )
            for key, state in sorted(covered(self.wanted, self.seen, last=self.last).items())
        )

    def desired(self) -> dict[Family, int]:
        """How many rules each family must have in force."""
        return {f: sum(r.family is f for r in self.wanted.rules) for f in Family}

    def present(self) -> dict[Family, int]:
        """How many of the rules that must be in force are."""
        there = {rule for chain in self._chains() for rule in chain.rules}
        return {f: sum(r.family is f for r in self.wanted.rules if r in there) for f in Family}

    def _packets(self) -> Counter[ServiceKey]:
        seen: Counter[ServiceKey] = Counter()
        for chain in self._chains():
            # A firewall that does not count gives no counters at all.
            for rule, packets in zip(chain.rules, chain.packets, strict=bool(chain.packets)):
                if rule.place is Place.MARK and rule.service is not None:
                    seen[rule.service] += packets
        return seen

    def _chains(self) -> list[Chain]:
        return [
            chain
            for spot, chain in self.seen.chains.items()
            if spot.plane is Plane.RUNTIME and isinstance(chain, Chain)
        ]
