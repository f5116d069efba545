"""Keeps the guard's table as the services in force ask for it.

The table belongs to a netlink socket (flag ``owner``): while that is open nobody else changes it,
and a flush of all tables passes it by. With ``persist`` it outlives the socket, as an ordinary
table, and is taken over by the next daemon; without, systemd keeps the socket over a restart. It is
never the only store of a mark: the firewall's rules stay the contract.

Its first rule lets packets pass that bear a mark, so that it overrides nobody, and what it counts
are the packets that would have been lost (measured: a look at a marked packet costs 20 to 26 ns).
"""

import errno
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from msgspec import Struct, field

from lvsmarkd.backends.guard.counted import Counted
from lvsmarkd.backends.guard.view import guard_view
from lvsmarkd.backends.nftables.mark_table import PRIORITY, mark_table
from lvsmarkd.kernel.netlink import NetlinkError
from lvsmarkd.kernel.nf_tables import NftFamily, named_tables
from lvsmarkd.kernel.nf_tables_batch import LostRaceError, UnansweredError
from lvsmarkd.kernel.nf_tables_link import NfTablesLink
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.kernel.nf_tables_writer import KernelHeldError
from lvsmarkd.model.guard import GUARD_KEY, GUARD_TABLE, NO_GUARD, GuardState
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.ruleset import Table, TableKey
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.nftables.changes import NftChange, add, delete
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.difference import difference
from lvsmarkd.netfilter.nftables.expressions import Counts
from lvsmarkd.netfilter.nftables.objects import NftTable, TableContents, TableFlag, TableId
from lvsmarkd.netfilter.nftables.ownership import Ownership, ownership, supported_flags
from lvsmarkd.netfilter.nftables.transaction import RefusedError, write

TABLE = TableId(NftFamily.INET, GUARD_TABLE)
_PRIORITY = PRIORITY + 1
"""Behind our own table, where that keeps the rules: what it marks is no packet for the guard."""
_TRIES = 4
"""Transactions, where what was read is another by then."""
_PATIENCE_SECONDS = 5.0
"""For one look at all elements: some 100,000 on a busy machine."""
_RESTLESS = "others change nf_tables all the time"
_ANOTHER_BY_NOW = frozenset({errno.ENOENT, errno.EEXIST, errno.EPERM})
"""How it refuses what was made from a table that is gone since, or is there since, or is taken."""


class GuardUnavailableError(Exception):
    """It cannot be here, or not now. ``str()`` is a clause that says why."""


class Guard(Struct):
    """For one thread at a time; none of its methods raises what is the kernel's fault.

    ``taken`` is a descriptor that systemd kept for us; ``keep`` is given the descriptor to be kept
    in its place.
    ``on_write`` hears the number of each thread that writes, before it does.
    """

    taken: int | None = None
    keep: Callable[[int], None] = lambda _descriptor: None
    on_write: Callable[[int], None] = lambda _thread: None
    state: GuardState = NO_GUARD
    _opened: NfTablesLink | None = None
    _flags: TableFlag | None = None
    _looked: bool = False
    """Whether it is known that nothing of ours is there but what we hold."""
    _rules: frozenset[Rule] = frozenset()
    """Those in force, while ``_held`` is known."""
    _view: Table | None = None
    _held: TableContents | None = None
    """What the table holds since our last transaction; None: not known, or no table."""
    _counted: Counted = field(default_factory=Counted)
    _counts: bool = False
    """Whether what the table had counted before us was seen."""

    @property
    def view(self) -> Mapping[TableKey, Table]:
        """Its table as packets meet it, where it is in force."""
        if self._held is None:
            return {}
        if self._view is None:
            self._view = guard_view(self._rules, _PRIORITY)
        return {GUARD_KEY: self._view}

    def purge(self) -> bool:
        """Remove what a daemon that ended has left. Gives whether there was something. Raises
        GuardUnavailableError.
        """
        try:
            there = named_tables()
            if isinstance(there, Unknown):
                raise GuardUnavailableError(there.reason)
            if not there.has(GUARD_KEY.family, GUARD_KEY.name):
                return False
            self._go()
            return True
        finally:
            self.close()

    def follow(self, rules: Collection[Rule]) -> GuardState:
        """Mark what these rules mark where packets come in, and nothing else; for none of them,
        go.
        """
        marking = frozenset(
            rule
            for rule in rules
            if rule.hook is Hook.PREROUTING and isinstance(rule.action, SetMark)
        )
        try:
            if marking:
                self._keep(marking)
            else:
                self._go()
            reason = ""
        except GuardUnavailableError as error:
            self._held, self._looked, reason = None, False, str(error)
        self.state = GuardState(
            in_force=self._held is not None,
            reason=reason,
            lasts=bool((self._flags or TableFlag(0)) & TableFlag.PERSIST),
            packets=self._counted.packets,
        )
        return self.state

    def close(self) -> None:
        """Let go of the socket. What becomes of the table is the kernel's to say, and systemd's."""
        if self._opened is not None:
            self._opened.close()
        self._opened = self._held = None

    def _keep(self, rules: frozenset[Rule]) -> None:
        flags = self._open()
        if not flags & TableFlag.OWNER:
            raise GuardUnavailableError("this kernel has no tables with an owner (Linux 5.12 has)")
        wanted = self._held
        if wanted is None or self._rules != rules:
            table = NftTable(TABLE, flags)
            wanted = mark_table(table, rules, only_unmarked=True, priority=_PRIORITY)
        for _ in range(_TRIES):
            found = self._read(elements=self._held != wanted)
            self._count(found)
            if self._is_in_force(found, wanted):
                break
            if self._held == wanted:  # it was ours, and is another one: look at all of it
                self._held = None
                continue
            changes = difference(wanted, found, self._port())
            if not changes:
                break
            # What was not ours yet may be another by the write: it is looked at once more.
            was_ours = ownership(found.table, self._port()) is Ownership.OURS
            if self._written(changes) and was_ours:
                break
        else:
            raise GuardUnavailableError(_RESTLESS)
        if self._rules != rules:
            self._view = None
        self._rules, self._held, self._looked = rules, wanted, True

    def _is_in_force(self, found: TableContents, wanted: TableContents) -> bool:
        """Whether nothing is to be done: nobody else can have changed what is ours still."""
        whose = ownership(found.table, self._port())
        if whose is Ownership.OTHERS:
            raise GuardUnavailableError(_others(found))
        return whose is Ownership.OURS and self._held == wanted

    def _go(self) -> None:
        if self._looked and self._held is None:
            return
        try:
            self._open()
        except GuardUnavailableError:
            return  # nobody to ask, and so no table
        for _ in range(_TRIES):
            found = self._read(elements=True)
            self._count(found)
            if ownership(found.table, self._port()) is Ownership.OTHERS:
                raise GuardUnavailableError(_others(found))
            if found.table is None or self._written(_removal(found.table)):
                break
        else:
            raise GuardUnavailableError(f"table {TABLE} is left: {_RESTLESS}")
        self._counted.restart()
        self._rules, self._held, self._looked = frozenset(), None, True

    def _open(self) -> TableFlag:
        """Have the sockets, and know what the kernel can."""
        try:
            writer = self._link().writer
            if self._flags is None:
                self._flags = supported_flags(writer)
        except (RefusedError, KernelHeldError, UnansweredError, OSError) as error:
            raise GuardUnavailableError(f"nf_tables cannot be written: {error}") from error
        return self._flags

    def _link(self) -> NfTablesLink:
        if self._opened is None:
            try:
                self._opened = NfTablesLink(self.on_write, self._owner)
            except (OSError, NetlinkError) as error:
                raise GuardUnavailableError(f"nf_tables cannot be spoken to: {error}") from error
        return self._opened

    def _owner(self) -> NfTablesSocket:
        """The socket that the table belongs to: the kept one, or, where there is none or it is
        something else, a new one, which is kept in its place.
        """
        taken, self.taken = self.taken, None
        if taken is not None:
            with suppress(OSError, NetlinkError):
                return NfTablesSocket(taken=taken)
        made = NfTablesSocket()
        self.keep(made.fileno())
        return made

    def _port(self) -> int:
        return self._link().writer.port

    def _read(self, *, elements: bool) -> TableContents:
        link = self._link()
        try:
            return read_contents(link.reader, TABLE, _PATIENCE_SECONDS, elements=elements)
        except (OSError, NetlinkError) as error:
            link.renew_reader()
            raise GuardUnavailableError(f"nf_tables cannot be read: {error}") from error

    def _written(self, changes: tuple[NftChange, ...]) -> bool:
        """Whether it is done; else what it was made from is another by now."""
        try:
            write(self._link().writer, changes)
        except RefusedError as error:
            if any(each.error in _ANOTHER_BY_NOW for each in error.refused):
                return False
            raise GuardUnavailableError(f"nf_tables refuses it: {error}") from error
        except (LostRaceError, UnansweredError):
            return False
        except (KernelHeldError, OSError) as error:
            raise GuardUnavailableError(f"nf_tables cannot be written: {error}") from error
        return True

    def _count(self, found: TableContents) -> None:
        """Elements are read for it only where some packet was marked since the last look."""
        hits = sum(
            each.packets
            for rules in found.rules.values()
            for rule in rules
            for each in rule.expressions
            if isinstance(each, Counts)
        )
        whose = ownership(found.table, self._port())
        if not self._counts and whose is not Ownership.OTHERS:
            self._counted.begin(hits, found)
            self._counts = True
        if whose is not Ownership.OURS or self._held is None or hits == self._counted.hits:
            return
        if not found.elements:
            found = self._read(elements=True)
        self._counted.look(hits, found)


def _removal(found: NftTable) -> tuple[NftChange, ...]:
    """What takes a table away; an orphan is claimed before."""
    if found.flags & TableFlag.PERSIST and not found.flags & TableFlag.OWNER:
        return add(NftTable(TABLE, TableFlag.OWNER | TableFlag.PERSIST)) + delete(TABLE)
    return delete(TABLE)


def _others(found: TableContents) -> str:
    port = found.table.owner if found.table is not None else 0
    return (
        f"table {TABLE} belongs to another program's socket (netlink port {port}): is there a"
        " second lvsmarkd?"
    )
