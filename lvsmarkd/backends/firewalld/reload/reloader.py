"""Reloading firewalld: whether it may be, and how it ends in a healthy state."""

import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

from lvsmarkd.backends.firewalld.client.calls import FirewalldClient, FirewalldError, Interface
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel
from lvsmarkd.backends.firewalld.planes.listing import Listing, read_permanent, read_runtime
from lvsmarkd.backends.firewalld.planes.reader import FirewalldState
from lvsmarkd.backends.firewalld.reload.unsaved import ReloadImpact
from lvsmarkd.declarations.tables import Reload
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble

RELOAD_TIMEOUT = 30.0
"""Seconds. With 1,000 rules it takes 0.7 s on an idle host (measured). ATTEMPTS of them are less
than the time after which a pass counts as stuck."""
ATTEMPTS = 3
"""After `nft flush ruleset` the first one fails, and leaves every new connection dropped; the
second heals (measured)."""
PATIENCE = 5.0
"""Seconds that a change by single calls may take before a reload is the lesser evil."""
_log = logging.getLogger(__name__)


class Reloader(Struct):
    """Reloads until it is well. ``impact`` tells what others would lose, ``look`` the kernel's
    state; ``rules`` is about how many rules firewalld will load; ``permanent`` reads what the
    reload brings.
    """

    firewalld: FirewalldClient
    allowed: Reload
    impact: ReloadImpact
    look: Callable[[], Kernel | Unknown]
    rules: int = 0
    permanent: Callable[[FirewalldClient], Listing] = read_permanent

    def reload_blocker(self, firewalld_state: FirewalldState) -> str:
        """Why it may not be reloaded; empty where it may. Raises BusError, FirewalldError.

        Where a reload that failed left everything dropped, nothing that others have works
        either. Where firewalld's tables are gone, its own rules are in force for nobody; those
        of others in iptables may be.
        """
        if self.allowed is Reload.NEVER:
            return 'firewall.firewalld.reload is "never": run firewall-cmd --reload yourself'
        if self.allowed is Reload.WHEN_NEEDED or firewalld_state.dropping:
            return ""
        lost = list(self.impact.flushed(firewalld_state.runtime))
        if firewalld_state.whole:
            lost += self.impact.unsaved(firewalld_state.runtime, firewalld_state.permanent)
        return _reload_blocker(lost) if lost else ""

    @property
    def cost(self) -> str:
        """What a reload does to packets, in words: measured at 10,000 packets a second."""
        return f"new connections are dropped for about {0.1 + self.rules * 0.0003:.1f} s"

    def _look_again(self) -> None:
        """Look a moment before: what others have done since the first look counts, too."""
        runtime, permanent = read_runtime(self.firewalld), self.permanent(self.firewalld)
        lost = [*self.impact.flushed(runtime), *self.impact.unsaved(runtime, permanent)]
        if lost:
            raise FirewallError(
                Trouble.BUSY, f"firewalld is not reloaded now: {_reload_blocker(lost)}"
            )

    def run(self, why: str, firewalld_state: FirewalldState) -> None:
        """Reload, again where it fails halfway.

        Raises FirewallError: BUSY where somebody has changed something since ``firewalld_state``
        that he would lose; REJECTED where it does not end well, or firewalld refuses, with all in
        force that was; BusError, FirewalldError.
        """
        if self.allowed is Reload.WHEN_SAFE and firewalld_state.whole:
            self._look_again()
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


def _reload_blocker(lost: Sequence[str]) -> str:
    return (
        f"a reload would change what is in force for others ({'; '.join(lost[:4])}"
        f"{' …' if lost[4:] else ''}): save it with firewall-cmd --runtime-to-permanent where it is"
        " firewalld's, and run firewall-cmd --reload, or set firewall.firewalld.reload ="
        ' "when-needed"'
    )
