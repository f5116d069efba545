"""The firewalld backend as the operator's settings want it."""

from collections.abc import Callable
from pathlib import Path

from lvsmarkd.backends.backend import Backend, CommandBackend
from lvsmarkd.backends.firewalld.backend import FirewalldBackend
from lvsmarkd.backends.firewalld.backup import Backup
from lvsmarkd.backends.firewalld.calls import Firewalld
from lvsmarkd.backends.firewalld.reader import Choices
from lvsmarkd.declarations.tables import Firewalld as Settings
from lvsmarkd.declarations.tables import Placement


def open_firewalld(
    settings: Settings,
    backups: Path,
    iptables: Callable[[], Backend | None],
    firewalld: Firewalld,
) -> CommandBackend:
    """A backend for the firewalld that runs.

    Raises FirewallError (GONE, BUSY) where it does not run, with what to do.
    """
    choices = Choices(settings.placement is Placement.POLICY, settings.zones, settings.reload)
    return FirewalldBackend.open(firewalld, Backup(backups), choices, iptables=iptables)
