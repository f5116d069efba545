"""Which backend keeps the rules on this host."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.backup import Backup
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.declarations.tables import BackendChoice, Firewall, Position
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.program import OnSpawn, search_path

if TYPE_CHECKING:
    from lvsmarkd.backends.firewalld.presence import Presence

BACKENDS = (BackendChoice.AUTO, BackendChoice.IPTABLES, BackendChoice.FIREWALLD)
"""What can be asked for. ``auto`` is firewalld where it runs, in our network namespace, else
iptables."""


def has_firewalld() -> bool:
    """Whether firewalld is installed: else nobody need speak D-Bus, which costs 2 to 6 MB."""
    return shutil.which("firewalld", path=search_path()) is not None


def may_be_firewalld(name: str) -> bool:
    """Whether firewalld keeps the rules, or may come to, under a backend of that name."""
    match name:
        case BackendChoice.FIREWALLD:
            return True
        case BackendChoice.AUTO:
            return has_firewalld()
        case _:
            return False


def is_firewalld(name: str, presence: "Presence") -> bool:
    """Whether firewalld keeps the rules now."""
    match name:
        case BackendChoice.AUTO:
            return may_be_firewalld(name) and presence.here()
        case _:
            return name == BackendChoice.FIREWALLD


def choose(
    name: str,
    *,
    state_directory: Path,
    settings: Firewall | None = None,
    on_spawn: OnSpawn = lambda _pid: None,
    presence: "Presence | None" = None,
) -> CommandBackend:
    """The backend of that name, ready to be asked.

    ``settings`` are the operator's, the defaults if None; ``presence`` is the way to firewalld,
    if there is one already. Raises FirewallError (GONE, BUSY) where the backend is not there,
    with what to do.
    """
    if name not in BACKENDS:
        raise FirewallError(
            Trouble.GONE,
            f"backend {name!r} is not part of this version; it has: {', '.join(BACKENDS)}",
        )
    settings = settings or Firewall()
    at_end = settings.iptables.position is Position.LAST
    backups = state_directory / "backup"

    def iptables() -> CommandBackend:
        return IptablesBackend(detect(), Backup(backups), at_end, on_spawn)

    if name != BackendChoice.FIREWALLD and not has_firewalld():
        return iptables()
    from lvsmarkd.backends.firewalld.adapter import BusFirewalld  # noqa: PLC0415 - slow to import
    from lvsmarkd.backends.firewalld.beside import BesideFirewalld  # noqa: PLC0415 - the same
    from lvsmarkd.backends.firewalld.opening import open_firewalld  # noqa: PLC0415 - the same
    from lvsmarkd.backends.firewalld.presence import Presence  # noqa: PLC0415 - the same

    way = presence or Presence(BusFirewalld())
    if is_firewalld(name, way):
        return open_firewalld(settings.firewalld, backups, iptables, way.firewalld)
    clears = name == BackendChoice.AUTO  # else the operator wants firewalld left alone
    if presence is not None:
        return BesideFirewalld(iptables(), presence.here, clears, on_spawn)
    runs = way.here()  # for one command, which looks once; nobody is left who would hang up
    way.firewalld.close()
    return BesideFirewalld(iptables(), lambda: runs, clears, on_spawn)
