"""Which backend keeps the rules on this host."""

from collections.abc import Callable
from pathlib import Path

from lvsmarkd.declarations.tables import Firewall, Placement, Position
from lvsmarkd.declarations.tables import Firewalld as Settings
from lvsmarkd.firewall.backend import Backend, FirewallError, OnSpawn, Trouble
from lvsmarkd.firewall.firewalld.adapter import BusFirewalld
from lvsmarkd.firewall.firewalld.backend import FirewalldBackend
from lvsmarkd.firewall.firewalld.backup import Backup as FirewalldBackup
from lvsmarkd.firewall.firewalld.calls import Firewalld
from lvsmarkd.firewall.firewalld.look import Choices
from lvsmarkd.firewall.iptables.backend import IptablesBackend
from lvsmarkd.firewall.iptables.backup import Backup as IptablesBackup
from lvsmarkd.firewall.iptables.toolset import detect

BACKENDS = ("auto", "iptables", "firewalld")
"""What can be asked for. ``auto`` is iptables in this version: firewalld is asked for by name."""


def choose(
    name: str,
    *,
    state_directory: Path,
    settings: Firewall | None = None,
    on_spawn: OnSpawn = lambda _pid: None,
    connect: Callable[[], Firewalld] = BusFirewalld,
) -> Backend:
    """The backend of that name, ready to be asked.

    ``settings`` are the operator's, the defaults if None; ``connect`` gives the way to
    firewalld, where that is asked.
    Raises FirewallError (GONE, BUSY) where it is not there, with what to do.
    """
    settings = settings or Firewall()
    last = settings.iptables.position is Position.LAST
    backups = state_directory / "backup"

    def iptables() -> Backend:
        return IptablesBackend(detect(), IptablesBackup(backups), last, on_spawn)

    match name:
        case "auto" | "iptables":
            return iptables()
        case "firewalld":
            return FirewalldBackend.open(
                connect(), FirewalldBackup(backups), _choices(settings.firewalld), iptables=iptables
            )
        case _:
            raise FirewallError(
                Trouble.GONE,
                f"backend {name!r} is not part of this version; it has: {', '.join(BACKENDS)}",
            )


def _choices(settings: Settings) -> Choices:
    by_policy = settings.placement is Placement.POLICY
    return Choices(by_policy, settings.zones, settings.reload)
