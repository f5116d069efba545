"""Packets marked per service: a counter that outlives those of the rules."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lvsmarkd.model.report import ServiceState
from lvsmarkd.model.service import Family, ServiceKey


@dataclass(slots=True)
class Packets:
    """Totals per service. They begin at what the rules show, so that a restart of the daemon
    goes unnoticed, and never fall.
    """

    totals: dict[ServiceKey, int] = field(default_factory=dict)
    _shown: dict[ServiceKey, int] = field(default_factory=dict)

    def count(self, services: Iterable[ServiceState], disturbed: frozenset[Family]) -> None:
        """Take in what the rules show now; forget services that left.

        A counter that fell was either set to zero, and what it shows came since; or, in a
        ``disturbed`` family, rules were put back or taken out, and what is left over from
        the others was counted before.
        """
        here = {state.key: state.packets for state in services}
        for gone in self.totals.keys() - here.keys():
            del self.totals[gone], self._shown[gone]
        for key, shown in here.items():
            if shown is None:
                continue
            last = self._shown.get(key, 0)
            fell = shown < last
            since_reset = 0 if key.family in disturbed else shown
            grown = since_reset if fell else shown - last
            self.totals[key] = self.totals.get(key, 0) + grown
            self._shown[key] = shown
