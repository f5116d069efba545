"""Which backend keeps the rules on this host."""

from pathlib import Path
from typing import TYPE_CHECKING

from lvsmarkd.declarations.tables import Firewall, Position
from lvsmarkd.firewall.backend import Backend, FirewallError, OnSpawn, Trouble
from lvsmarkd.firewall.iptables.backend import IptablesBackend
from lvsmarkd.firewall.iptables.backup import Backup
from lvsmarkd.firewall.iptables.toolset import detect

if TYPE_CHECKING:
    from lvsmarkd.firewall.firewalld.calls import Firewalld

BACKENDS = ("auto", "iptables", "firewalld")
"""What can be asked for. ``auto`` is iptables in this version: firewalld is asked for by name."""


def choose(
    name: str,
    *,
    state_directory: Path,
    settings: Firewall | None = None,
    on_spawn: OnSpawn = lambda _pid: None,
    firewalld: "Firewalld | None" = None,
) -> Backend:
    """The backend of that name, ready to be asked.

    ``settings`` are the operator's, the defaults if None; ``firewalld`` is the way to it, if
    there is one already. Raises FirewallError (GONE, BUSY) where the backend is not there, with
    what to do.
    """
    settings = settings or Firewall()
    last = settings.iptables.position is Position.LAST
    backups = state_directory / "backup"

    def iptables() -> Backend:
        return IptablesBackend(detect(), Backup(backups), last, on_spawn)

    match name:
        case "auto" | "iptables":
            return iptables()
        case "firewalld":
            from lvsmarkd.firewall.firewalld.opening import (  # noqa: PLC0415 - slow to import
                open_firewalld,
            )

            return open_firewalld(settings.firewalld, backups, iptables, firewalld)
        case _:
            raise FirewallError(
                Trouble.GONE,
                f"backend {name!r} is not part of this version; it has: {', '.join(BACKENDS)}",
            )
