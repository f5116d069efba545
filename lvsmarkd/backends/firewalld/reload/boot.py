"""Whether firewalld is started at boot: else its rules, ours too, are gone then."""

import shutil
from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run, search_path

_NOT_STARTED = frozenset({"disabled", "masked", "masked-runtime", "enabled-runtime"})
AGAIN = 300.0
"""Seconds after which systemd is asked again: nobody enables a unit every minute."""


def unit_state() -> str:
    """What ``systemctl is-enabled firewalld`` says; empty where there is no systemd to ask."""
    systemctl = shutil.which("systemctl", path=search_path())
    if systemctl is None:
        return ""
    try:
        return run([systemctl, "is-enabled", "firewalld"], timeout=5.0).output.strip()
    except FirewallError:
        return ""


class Boot(Struct):
    """Asks now and then."""

    ask: Callable[[], str] = unit_state
    clock: Callable[[], float] = monotonic
    _said: str = ""
    _asked: float | None = None

    def trouble(self) -> str:
        """How firewalld's unit is, where it is not started at boot; else empty."""
        now = self.clock()
        if self._asked is None or now - self._asked >= AGAIN:
            self._said, self._asked = self.ask(), now
        return self._said if self._said in _NOT_STARTED else ""
