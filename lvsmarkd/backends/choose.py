"""Which backend keeps the rules on this host."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.backends.migration import MigratingBackend
from lvsmarkd.backends.nftables.backend import NftablesBackend
from lvsmarkd.backends.nftables.kernel_table import KernelTable, is_there
from lvsmarkd.backends.previous import WithPrevious
from lvsmarkd.declarations.tables import BackendChoice, Firewall, JumpPosition, Placement
from lvsmarkd.kernel.program import OnSpawn
from lvsmarkd.model.firewall import Program
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.program import search_path

if TYPE_CHECKING:
    from lvsmarkd.backends.firewalld.client.presence import Presence

BACKENDS = tuple(BackendChoice)
"""What can be asked for. ``auto`` is firewalld where it runs, in our network namespace, else
iptables; a table of our own is for who asks for it."""


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


def choose(  # noqa: PLR0913 - what it is wired from
    name: str,
    *,
    state_directory: Path,
    settings: Firewall | None = None,
    on_spawn: OnSpawn = lambda _pid: None,
    presence: "Presence | None" = None,
    table: KernelTable | None = None,
) -> CommandBackend:
    """The backend of that name, ready to be asked, and with it those that kept our rules before, as
    far as they hold some still.

    ``settings`` are the operator's, the defaults if None; ``presence`` is the way to firewalld,
    if there is one already, ``table`` that to our table. ``on_spawn`` hears of each program, or
    thread, that is about to write. Raises FirewallError (GONE, BUSY) where the backend is not
    there, with what to do.
    """
    if name not in BACKENDS:
        raise FirewallError(
            Trouble.GONE,
            f"backend {name!r} is not part of this version; it has: {', '.join(BACKENDS)}",
        )
    settings = settings or Firewall()
    at_end = settings.iptables.position is JumpPosition.LAST
    backup = Backup(state_directory / "backup")

    def iptables() -> CommandBackend:
        return IptablesBackend(detect(), backup, at_end, on_spawn)

    table = table or KernelTable(on_spawn)
    if name == BackendChoice.NFTABLES:
        moved = MigratingBackend(
            NftablesBackend(table, backup, _if_any(iptables)), _if_any(iptables)
        )
        if not has_firewalld():
            return moved
        running = partial(_running_firewalld, backup, settings, presence)
        return WithPrevious(moved, Program.FIREWALLD, running, dear=True)
    own_table = NftablesBackend(table, backup)
    return WithPrevious(
        _other(name, backup, settings, iptables, on_spawn, presence),
        Program.NFTABLES,
        lambda: own_table if is_there() else None,
    )


def _if_any(iptables: Callable[[], CommandBackend]) -> Callable[[], CommandBackend | None]:
    """None where there is no iptables: nobody has rules in it."""

    def found() -> CommandBackend | None:
        try:
            return iptables()
        except FirewallError:
            return None

    return found


def _running_firewalld(
    backup: Backup, settings: Firewall, presence: "Presence | None"
) -> CommandBackend | None:
    """The firewalld that runs here; None where none does, or it does not answer."""
    from lvsmarkd.backends.firewalld.backend import FirewalldBackend  # noqa: PLC0415 - slow to import
    from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld  # noqa: PLC0415 - the same
    from lvsmarkd.backends.firewalld.client.presence import Presence  # noqa: PLC0415 - the same
    from lvsmarkd.backends.firewalld.client.system_bus import (  # noqa: PLC0415 - the same
        bus_may_be_there,
    )
    from lvsmarkd.backends.firewalld.planes.reader import Choices  # noqa: PLC0415 - the same

    if presence is None and not bus_may_be_there():
        return None
    way = presence or Presence(BusFirewalld())
    if not way.here():
        return None
    own = settings.firewalld
    choices = Choices(own.placement is Placement.POLICY, own.zones, own.reload)
    try:
        return FirewalldBackend.open(way.firewalld, backup, choices)
    except FirewallError:
        return None


def _other(  # noqa: PLR0913, PLR0917 - what it is wired from
    name: str,
    backup: Backup,
    settings: Firewall,
    iptables: Callable[[], CommandBackend],
    on_spawn: OnSpawn,
    presence: "Presence | None",
) -> CommandBackend:
    """firewalld, or iptables."""
    iptables_if_any = _if_any(iptables)
    if name != BackendChoice.FIREWALLD and not has_firewalld():
        return iptables()
    from lvsmarkd.backends.firewalld.client.presence import Presence  # noqa: PLC0415 - slow to import
    from lvsmarkd.backends.firewalld.client.system_bus import (  # noqa: PLC0415 - the same
        bus_may_be_there,
    )

    way = presence
    if way is None and (name == BackendChoice.FIREWALLD or bus_may_be_there()):
        from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld  # noqa: PLC0415 - the same

        way = Presence(BusFirewalld())
    either = name == BackendChoice.AUTO  # else the operator wants the other one left alone
    if way is not None and is_firewalld(name, way):
        from lvsmarkd.backends.firewalld.backend import FirewalldBackend  # noqa: PLC0415 - the same
        from lvsmarkd.backends.firewalld.planes.reader import Choices  # noqa: PLC0415 - the same

        firewalld, own = way.firewalld, settings.firewalld
        choices = Choices(own.placement is Placement.POLICY, own.zones, own.reload)
        opened = FirewalldBackend.open(firewalld, backup, choices, iptables=iptables_if_any)
        return MigratingBackend(opened, iptables_if_any, lambda: firewalld.here() is True, either)
    from lvsmarkd.backends.firewalld import beside  # noqa: PLC0415 - the same

    runs = _runs(way, once=presence is None)
    iptables_beside = beside.BesideFirewalld(iptables(), runs, either)
    if not either:
        return iptables_beside
    return MigratingBackend(
        iptables_beside, lambda: beside.EndedFirewalld(iptables(), runs, on_spawn)
    )


def _runs(way: "Presence | None", *, once: bool) -> Callable[[], bool]:
    """Whether firewalld runs: asked anew each time, or ``once`` for a command, which hangs up."""
    if way is None:
        return lambda: False
    if not once:
        return way.here
    ran = way.here()
    way.firewalld.close()
    return lambda: ran
