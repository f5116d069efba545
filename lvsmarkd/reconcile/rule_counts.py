"""Counting what must hold and what does, for metrics and status."""

from collections import Counter

from msgspec import Struct, field

from lvsmarkd.judge.coverage import covered, why_unknown
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.report import ServiceState
from lvsmarkd.model.rule import Hook, Plane
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown


class RuleCounts(Struct, frozen=True):
    """The services and rules at the end of a pass."""

    wanted: Desired
    seen: Snapshot
    outlooks: Outlooks = field(default_factory=Outlooks)

    def services(self) -> tuple[ServiceState, ...]:
        """Each service: covered or not, by what, and how many packets its rules have marked."""
        packets, kernel = self._packets(), self.wanted.runtime_state.kernel
        now = self.outlooks.of(self.wanted, self.seen.ruleset, self.seen.host)
        return tuple(
            ServiceState(
                key,
                state,
                str(self.wanted.coverage[key]),
                packets.get(key),
                in_ipvs(kernel, key) if kernel is not None else None,
                key in self.wanted.configured,
                why_unknown(key, self.wanted, self.seen, self.outlooks) if state is None else "",
                now.services[key].guarded,
            )
            for key, state in sorted(covered(self.wanted, self.seen, self.outlooks).items())
        )

    def desired(self) -> dict[Plane, dict[Family, int]]:
        """How many rules each family must have, in each plane that the firewall has."""
        count = {f: sum(r.family is f for r in self.wanted.rules) for f in Family}
        return {plane: dict(count) for plane in self._planes()}

    def present(self) -> dict[Plane, dict[Family, int]]:
        """How many of the rules that must be there are; of no plane that could not be read."""
        counts = {}
        unread = {s.plane for s, c in self.seen.chains.items() if isinstance(c, Unknown)}
        for plane in self._planes():
            if plane in unread:
                continue
            there = {rule for chain in self._chains(plane) for rule in chain.rules}
            mine = [rule for rule in self.wanted.rules if rule in there]
            counts[plane] = {f: sum(rule.family is f for rule in mine) for f in Family}
        return counts

    def unread(self) -> frozenset[tuple[Plane, Family]]:
        """What could not be read, or not as a whole."""
        return frozenset(
            (chain_key.plane, chain_key.family)
            for chain_key, chain in self.seen.chains.items()
            if isinstance(chain, Unknown)
        )

    def unjudged(self) -> frozenset[Family]:
        """The families with a table, whoever's, that could not be looked into."""
        now = self.outlooks.of(self.wanted, self.seen.ruleset, self.seen.host)
        return frozenset(family for family, reasons in now.unread.items() if reasons)

    def _planes(self) -> list[Plane]:
        planes = {chain_key.plane for chain_key in self.seen.chains}
        return sorted(planes | {Plane.RUNTIME})

    def _packets(self) -> Counter[ServiceKey]:
        seen: Counter[ServiceKey] = Counter()
        for chain in self._chains():
            # A firewall that does not count gives no counters at all.
            for rule, packets in zip(chain.rules, chain.packets, strict=bool(chain.packets)):
                if rule.hook is Hook.PREROUTING and rule.service is not None:
                    seen[rule.service] += packets
        return seen

    def _chains(self, plane: Plane = Plane.RUNTIME) -> list[Chain]:
        return [
            chain
            for chain_key, chain in self.seen.chains.items()
            if chain_key.plane is plane and isinstance(chain, Chain)
        ]
