"""Which parts the daemon is made of, and who hears whom."""

import asyncio

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.choose import choose, is_firewalld, may_be_firewalld
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.presence import Presence
from lvsmarkd.backends.guard.guard import Guard
from lvsmarkd.backends.iptables.toolset import stamp as iptables_stamp
from lvsmarkd.backends.nftables.kernel_table import KernelTable
from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.daemon.app import App
from lvsmarkd.daemon.pause import Pause
from lvsmarkd.daemon.runtime_directory import RuntimeDirectoryError
from lvsmarkd.daemon.telemetry import Telemetry
from lvsmarkd.daemon.watchers import Watchers
from lvsmarkd.declarations.tables import BackendChoice, Firewall
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.model.guard import GUARD_TABLE
from lvsmarkd.netfilter.whole_ruleset import WholeRuleset
from lvsmarkd.reconcile.inputs import InputReader
from lvsmarkd.reconcile.last_good import LastGood
from lvsmarkd.reconcile.paths import DaemonPaths, LockedError
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.reconcile.remembered import Remembered
from lvsmarkd.telemetry.notify import keep_descriptor, kept_descriptor
from lvsmarkd.watch.generations import Concern
from lvsmarkd.watch.nftables import firewalld_tables, iptables_tables, native_tables


class CannotGoOnError(Exception):
    """The daemon had to end. ``str()`` is a clause that says why."""


def run(inputs: InputReader, paths: DaemonPaths) -> None:
    """Be the daemon until it is stopped; the lock is held already. Raises CannotGoOnError."""
    try:
        asyncio.run(wire(inputs, paths).run())
    except (OSError, LockedError, RuntimeDirectoryError) as error:
        raise CannotGoOnError(str(error)) from error


def wire(inputs: InputReader, paths: DaemonPaths) -> App:
    """Make the daemon, ready to run."""
    telemetry = Telemetry()
    presence = Presence(BusFirewalld())

    def firewall() -> Firewall:
        return inputs.settings.firewall

    def backend() -> str:
        return inputs.where.backend or str(firewall().backend)

    others = firewalld_tables if may_be_firewalld(backend()) else iptables_tables

    def matters(family: NftFamily, table: str) -> Concern:
        own = native_tables if backend() == BackendChoice.NFTABLES else others
        return own(family, table)

    watchers = Watchers(
        telemetry,
        inputs.settings.daemon.resync_seconds,
        follow_keepalived=inputs.where.keepalived is None,
        follow_firewalld=may_be_firewalld(backend()),
        firewalld_expected=backend() == BackendChoice.FIREWALLD,
        matters=matters,
    )

    table = KernelTable(watchers.own_writers.add)

    def release() -> None:
        presence.firewalld.close()
        table.close()

    def find() -> CommandBackend:
        return choose(
            backend(),
            state_directory=paths.state,
            on_spawn=watchers.own_writers.add,
            settings=firewall(),
            presence=presence,
            table=table,
        )

    def stamp() -> object:
        return (iptables_stamp(), firewall(), is_firewalld(backend(), presence))

    guard = Guard(
        kept_descriptor(GUARD_TABLE),
        keep=lambda descriptor: keep_descriptor(GUARD_TABLE, descriptor),
        on_write=watchers.own_writers.add,
    )
    reconciler = Reconciler(
        inputs,
        BackendSelector(find, stamp, release),
        on_call=telemetry.backend_call,
        surroundings=Surroundings(WholeRuleset(own=lambda: guard.view)),
        guard=guard,
    )
    inputs.settings_file.on_reload = telemetry.reloaded
    inputs.remembered = Remembered(paths.state / "keepalived.json")
    inputs.last_good = LastGood(paths.state / "last-good.json")
    return App(inputs, reconciler, paths, telemetry, watchers, Pause(paths.pause))
