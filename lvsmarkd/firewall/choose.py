"""Which backend keeps the rules on this host."""

from pathlib import Path

from lvsmarkd.firewall.backend import Backend, FirewallError, OnSpawn, Trouble
from lvsmarkd.firewall.iptables.backend import IptablesBackend
from lvsmarkd.firewall.iptables.backup import Backup
from lvsmarkd.firewall.iptables.toolset import detect

BACKENDS = ("auto", "iptables")
"""What can be asked for. ``auto`` takes the first that is there."""


def choose(
    name: str, *, last: bool, state_directory: Path, on_spawn: OnSpawn = lambda _pid: None
) -> Backend:
    """The backend of that name, ready to be asked.

    Raises FirewallError (GONE) where it is not there, with what to install.
    """
    if name not in BACKENDS:
        raise FirewallError(
            Trouble.GONE,
            f"backend {name!r} is not part of this version; it has: {', '.join(BACKENDS)}",
        )
    backup = Backup(state_directory / "backup")
    return IptablesBackend(detect(), backup, last, on_spawn)
