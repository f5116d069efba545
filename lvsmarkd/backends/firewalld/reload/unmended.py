"""Rules that firewalld lists and that no reload has brought into the kernel so far."""

from collections.abc import Callable, Iterable
from time import monotonic

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.planes.own_rules import Container
from lvsmarkd.model.backoff import Backoff
from lvsmarkd.model.rule import Rule

Unmet = tuple[Container, Rule]
"""A rule that firewalld lists in a container and the kernel lacks."""
DELAYS = (2.0, 10.0, 60.0, 600.0, 3600.0)
"""Seconds after a reload in vain before the rule is a reason for the next one; the last repeats.
A reload costs everybody's new connections, and of what firewalld never loads (IPv6 where that is
switched off) there is no end; but what looks in vain may be somebody who deletes it anew."""


class Unmended(Struct):
    """How often each was reloaded for in vain, and when it is a reason again. Monotonic seconds."""

    clock: Callable[[], float] = monotonic
    _in_vain: dict[Unmet, Backoff] = field(default_factory=dict)

    def due(self, lacking: Iterable[Unmet]) -> set[Unmet]:
        """Those that are a reason to reload now."""
        now = self.clock()
        return {u for u in lacking if u not in self._in_vain or self._in_vain[u].due(now)}

    def reloaded(self, still: Iterable[Unmet]) -> None:
        """A reload was made, and these are lacking still."""
        now = self.clock()
        for unmet in still:
            self._in_vain[unmet] = self._in_vain.get(unmet, Backoff(DELAYS)).failed(now)

    def seen(self, lacking: Iterable[Unmet]) -> None:
        """Only these are lacking now: all others are mended, by whomever."""
        there = set(lacking)
        self._in_vain = {u: backoff for u, backoff in self._in_vain.items() if u in there}

    def reset_backoff(self) -> None:
        """A person asks: all are a reason now."""
        self._in_vain.clear()
