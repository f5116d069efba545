"""Reloading firewalld: whether it may be, and how it ends in a healthy state."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lvsmarkd.declarations.tables import Reload
from lvsmarkd.firewall.backend import FirewallError, Trouble
from lvsmarkd.firewall.firewalld.calls import (
    CONFIG_PATH,
    Firewalld,
    FirewalldError,
    Interface,
)
from lvsmarkd.firewall.firewalld.kernel import Kernel
from lvsmarkd.model.observed import Unknown

RELOAD_TIMEOUT = 120.0
"""Seconds. With 1,000 rules it takes 0.7 s on an idle host (measured)."""
ATTEMPTS = 3
"""After `nft flush ruleset` the first one fails, and leaves every new connection dropped; the
second heals (measured)."""
PATIENCE = 5.0
"""Seconds that a change by single calls may take before a reload is the lesser evil."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reloader:
    """Reloads until it is well. ``losses`` tells what others would lose, ``look`` the kernel's
    state; ``rules`` is about how many rules firewalld will load.
    """

    firewalld: Firewalld
    allowed: Reload
    losses: Callable[[], Iterator[str]]
    look: Callable[[], Kernel | Unknown]
    rules: int = 0

    def hindrance(self, *, flushed: bool = False) -> str:
        """Why it may not be reloaded; empty where it may. Where its tables were ``flushed``,
        nothing is in force that anybody could lose. Raises BusError, FirewalldError.
        """
        if self.allowed is Reload.NEVER:
            return 'firewall.firewalld.reload is "never": run firewall-cmd --reload yourself'
        if flushed or self.allowed is Reload.WHEN_NEEDED:
            return ""
        lost = [*self.losses(), *_ipset_losses(self.firewalld)]
        if not lost:
            return ""
        return (
            f"a reload would take away what others have not saved ({'; '.join(lost[:4])}"
            f"{' …' if lost[4:] else ''}): save it with firewall-cmd --runtime-to-permanent and run"
            ' firewall-cmd --reload, or set firewall.firewalld.reload = "when-needed"'
        )

    @property
    def cost(self) -> str:
        """What a reload does to packets, in words: measured at 10,000 packets a second."""
        return f"new connections are dropped for about {0.1 + self.rules * 0.0003:.1f} s"

    def run(self, why: str) -> None:
        """Reload, again where it fails halfway.

        Raises FirewallError (REJECTED) where it does not end well, or firewalld refuses, with
        all in force that was; BusError.
        """
        _log.warning("reloading firewalld: %s; %s", why, self.cost)
        said = "its tables are not in the kernel"
        for _ in range(ATTEMPTS):
            done = True
            try:
                self.firewalld.call(Interface.MAIN, "reload", timeout=RELOAD_TIMEOUT)
            except FirewalldError as error:
                done, said = False, str(error).partition("\n")[0]
            seen = self.look()
            well = isinstance(seen, Unknown) or (seen.whole and not seen.dropping)
            if done and well:
                return
            if well:
                raise FirewallError(
                    Trouble.REJECTED,
                    f"firewalld refuses to reload ({said}), and what was in force still is:"
                    " correct its configuration (firewall-cmd --check-config)",
                )
            _log.warning("firewalld failed to reload, and is told to again: %s", said)
        raise FirewallError(
            Trouble.REJECTED,
            f"firewalld does not load its rules ({said}); it may drop every new connection: see"
            " journalctl -u firewalld, correct its configuration, run firewall-cmd --reload",
        )


def _ipset_losses(firewalld: Firewalld) -> Iterator[str]:
    """Sets with entries that are not permanent (fail2ban keeps its bans so)."""
    names = firewalld.call(Interface.IPSET, "getIPSets")
    for name in names if isinstance(names, list | tuple) else ():
        try:
            now = firewalld.call(Interface.IPSET, "getEntries", name)
            path = firewalld.call(Interface.CONFIG, "getIPSetByName", name, path=CONFIG_PATH)
            then = firewalld.call(Interface.CONFIG_IPSET, "getEntries", path=str(path))
        except FirewalldError as error:
            if error.code == "INVALID_IPSET":
                yield f"ipset {name}"
            continue
        if (
            isinstance(now, list | tuple)
            and isinstance(then, list | tuple)
            and set(now) - set(then)
        ):
            yield f"entries of ipset {name}"
