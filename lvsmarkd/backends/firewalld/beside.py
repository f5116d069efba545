"""iptables where firewalld has tables of its own in the kernel, whether it runs or has ended."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, Backend, CommandBackend
from lvsmarkd.backends.firewalld.names import TABLE, TABLE_KEY
from lvsmarkd.backends.firewalld.planes.leftover import (
    Leftover,
    chains_of,
    in_iptables,
    in_nftables,
    removals,
)
from lvsmarkd.backends.iptables.backend import LOCK_SECONDS
from lvsmarkd.backends.iptables.chains import source_of
from lvsmarkd.backends.iptables.toolset import Variant, detect
from lvsmarkd.kernel.program import OnSpawn
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.plan import Plan, RemoveRule, Step
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.ruleset import Lister, Ruleset, Table
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import PreviousRules, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.nft_json import nft, read_native
from lvsmarkd.netfilter.program import WRITE_TIMEOUT, run

_BOTH = Notice(NoticeKind.FIREWALLD_BESIDE)
_IDENTITY = FirewallIdentity(Program.FIREWALLD)
_CHAIN_KEYS = tuple(
    ChainKey(Plane.RUNTIME, family, Hook.PREROUTING, Program.FIREWALLD) for family in Family
)


class BesideFirewalld(Struct):
    """The iptables backend, which sees firewalld's nftables rules besides: they are met after those
    of iptables, and outlive a firewalld that is killed or loses its bus.

    ``runs`` says whether it keeps a firewall here besides, which is reported. Where it does not,
    and ``clears`` says so, what is left of ours in its tables is told: see EndedFirewalld.
    """

    inner: CommandBackend
    runs: Callable[[], bool] = lambda: False
    clears: bool = False
    _known: Table | None = None
    """Firewalld's table as it was read last: what was left there is, until that is seen."""

    def read(self) -> Snapshot:
        """Read iptables, and what firewalld's table does after it."""
        seen, table, runs = self.inner.read(), _table(), self.runs()
        native = Ruleset({} if table is None else {TABLE_KEY: table})
        notices = (_BOTH,) if runs else ()
        if isinstance(table, Unknown):
            notices = (*notices, Notice(NoticeKind.TABLE_UNREAD, table.reason))
        else:
            self._known = table
        left = () if runs or not self.clears else _left(seen, self._known)
        return replace(
            seen,
            notices=(*seen.notices, *notices),
            previous=(PreviousRules(chains_of(left), ended=True),) if left else (),
            ruleset=seen.ruleset | native,
        )

    def apply(self, plan: Plan) -> Applied:
        """As iptables."""
        return self.inner.apply(plan)

    def close(self) -> None:
        """As iptables."""
        self.inner.close()

    def script(self, plan: Plan) -> dict[str, str]:
        """As iptables."""
        return self.inner.script(plan)

    def purge(self) -> Plan:
        """As iptables."""
        return self.inner.purge()


class EndedFirewalld(Struct):
    """What a firewalld that has ended left of ours, in its native table and, as ``iptables`` lists
    it, in its chains there. Where it ``runs`` there is nothing of that kind.
    """

    iptables: Backend
    runs: Callable[[], bool] = lambda: False
    on_spawn: OnSpawn = lambda _pid: None

    def read(self) -> Snapshot:
        """What is left."""
        try:
            return Snapshot(chains_of(self._leftovers()), firewall=_IDENTITY)
        except FirewallError as error:
            return Snapshot(dict.fromkeys(_CHAIN_KEYS, Unknown(str(error))), firewall=_IDENTITY)

    def apply(self, plan: Plan) -> Applied:
        """Take rules away, by what is there now: one that has begun anew numbers them anew."""
        try:
            self._remove(plan.steps)
        except FirewallError as error:
            return Applied(error=error)
        return Applied()

    def close(self) -> None:
        """Nothing is kept open."""

    def script(self, plan: Plan) -> dict[str, str]:
        """What nft and iptables-restore would be given to read. Raises FirewallError."""
        native, by_family = removals(plan.steps, self._leftovers())
        texts = {"nft -f -": native} if native else {}
        for family, text in by_family.items():
            texts[f"{_restore(family)[0]} --noflush, for what firewalld left"] = text
        return texts

    def purge(self) -> Plan:
        """Take all of it away. Raises FirewallError."""
        steps = tuple(
            RemoveRule(chain_key, rule)
            for chain_key, chain in chains_of(self._leftovers()).items()
            for rule in chain.rules
        )
        self._remove(steps)
        return Plan(steps=steps)

    def _leftovers(self) -> tuple[Leftover, ...]:
        """Raises FirewallError (GONE) where that cannot be seen: nobody may say there is none."""
        if self.runs():
            return ()
        table = _table()
        if isinstance(table, Unknown):
            raise FirewallError(
                Trouble.GONE, f"what firewalld left of ours could not be read: {table.reason}"
            )
        return _left(self.iptables.read(), table)

    def _remove(self, steps: tuple[Step, ...]) -> None:
        if not steps:
            return
        native, by_family = removals(steps, self._leftovers())
        if native and (program := nft()) is not None:
            self._write([program, "-f", "-"], native)
        for family, text in by_family.items():
            self._write(_restore(family), text)

    def _write(self, arguments: list[str], text: str) -> None:
        answer = run(arguments, stdin=text, timeout=WRITE_TIMEOUT, on_spawn=self.on_spawn)
        if answer.status != 0:
            raise FirewallError(
                Trouble.REJECTED,
                "what firewalld left of ours could not be removed:"
                f" {' '.join(answer.error.split()) or answer.status}",
            )


def _restore(family: Family) -> list[str]:
    tools = detect().tools.get(family)
    if tools is None:
        raise FirewallError(Trouble.GONE, f"there is no iptables-restore for {family}")
    return [tools.restore, "--noflush", "-w", str(LOCK_SECONDS)]


def _table() -> Table | Unknown | None:
    """Firewalld's native table; None where there is none: who has no nft has no firewalld that uses
    it.
    """
    if nft() is None:
        return None
    found = read_native(lambda family, name: (family, name) == ("inet", TABLE))
    return found.unread.get(Lister.NFT) or found.tables.get(TABLE_KEY)


def _left(seen: Snapshot, table: Table | None) -> tuple[Leftover, ...]:
    in_table = in_nftables(table) if table is not None else ()
    variants = [variant for variant in Variant if variant == seen.firewall.variant]
    saved = (each for v in variants for each in in_iptables(seen.ruleset, source_of(v)))
    return (*in_table, *saved)
