"""The iptables backend: reads with iptables-save, writes with iptables-restore --noflush."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.bisect_rejected import bisect_rejected
from lvsmarkd.backends.iptables.chains import (
    LOCATIONS,
    TABLES,
    source_of,
    table_key,
)
from lvsmarkd.backends.iptables.script import AsListed, deletion, of_table, script
from lvsmarkd.backends.iptables.snapshot import chain_of, snapshot_of, texts_of
from lvsmarkd.backends.iptables.toolset import Tools, Toolset, Variant, tools_of
from lvsmarkd.kernel.program import Completed, OnSpawn
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.plan import Plan, RemoveChain, RemoveRule, Step
from lvsmarkd.model.rule import ChainKey, Plane, Rule
from lvsmarkd.model.rule_spec import RuleSpec
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.shortage import is_shortage, shortage_sentence
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.iptables_rule import read_rule
from lvsmarkd.netfilter.iptables_save import FAMILY_NAMES, Read, lacking_right, save
from lvsmarkd.netfilter.program import WRITE_TIMEOUT, run

LOCK_SECONDS = 5
"""How long iptables-restore waits for the lock. Never without: 1.8.9 legacy waits for ever."""
_LEGACY_TABLES = {
    Family.INET: Path("/proc/self/net/ip_tables_names"),
    Family.INET6: Path("/proc/self/net/ip6_tables_names"),
}
_BACKUP_HEAD = (
    "# The ruleset before the first write of lvsmarkd; nothing below: there was no rule.\n"
)
_NO_BINARY = "the programs ip6tables-save and ip6tables-restore were not found: install iptables"


class IptablesBackend(Struct):
    """One variant of iptables, IPv4 and IPv6.

    ``backup`` saves the ruleset before the first write ever. ``on_spawn`` hears of every
    program that is about to write. ``jump_at_end`` is where the operator wants our jump.

    It belongs to one thread. ``read`` starts two of its own, one for each family, and waits for
    both; they share what was understood of a rule's text, which is the same for whoever asks.
    """

    toolset: Toolset
    backup: Backup
    jump_at_end: bool = False
    on_spawn: OnSpawn = lambda _pid: None
    _understood: dict[str, RuleSpec] = field(default_factory=dict)

    def read(self) -> Snapshot:
        """Read all tables of both families, those of the other variant too."""
        fresh: dict[str, RuleSpec] = {}
        tables = partial(self._tables, partial(self._understand, fresh))
        try:
            with ThreadPoolExecutor(len(Family)) as both:
                found = list(both.map(tables, Family))
        except RuntimeError:  # no thread can be started (TasksMax=, memory): one after the other
            found = [tables(family) for family in Family]
        self._understood = fresh
        ruleset = Ruleset({key: table for each in found for key, table in each.items()})
        return snapshot_of(ruleset, self._identity, jump_at_end=self.jump_at_end)

    def apply(self, plan: Plan) -> Applied:
        """Write the steps, one transaction per family and table; each is tried, whatever
        becomes of the others.
        """
        try:
            if plan.steps:
                self._save_first()
        except FirewallError as error:
            return Applied(error=error)
        rejected: list[tuple[Rule, str]] = []
        failures: list[FirewallError] = []
        for family in Family:
            steps = [step for step in plan.steps if step.chain_key.family is family]
            for table in TABLES:
                if own := of_table(table, steps):
                    applied = bisect_rejected(own, partial(self._write, family, table))
                    rejected += applied.rejected
                    failure = applied.error or self._delete(family, own)
                    if failure is not None:
                        failures.append(failure)
        return Applied(tuple(rejected), failures[0] if failures else None)

    def close(self) -> None:
        """Nothing is kept open."""

    def script(self, plan: Plan) -> dict[str, str]:
        """The input of each iptables-restore."""
        texts: dict[str, str] = {}
        for family, tools in self.toolset.tools.items():
            steps = [step for step in plan.steps if step.chain_key.family is family]
            parts = [
                script(table, own, jump_at_end=self.jump_at_end)
                for table in TABLES
                if (own := of_table(table, steps))
            ]
            parts += [deletion(step) for step in steps if isinstance(step, RemoveChain)]
            if parts:
                texts[" ".join(_restore(tools))] = "".join(parts)
        return texts

    def purge(self) -> Plan:
        """Remove our chains and the jumps to them, from both variants: the alternative may
        have been switched since they were written.
        """
        done: list[Step] = []
        failures: list[FirewallError] = []
        for family, tools in tools_of(self.toolset.variant.other).items():
            others = Toolset(self.toolset.variant.other, "", {family: tools})
            if tools != self.toolset.tools.get(family):
                IptablesBackend(others, self.backup)._purge(done, failures)  # noqa: SLF001 - our own
        self._purge(done, failures)
        if failures:
            raise failures[0]
        return Plan(steps=tuple(done))

    def _purge(self, done: list[Step], failures: list[FirewallError]) -> None:
        """Remove what can be; a chain that holds nothing of ours is somebody else's."""
        for family in self.toolset.tools:
            for hook, location in LOCATIONS.items():
                chain_key = ChainKey(Plane.RUNTIME, family, hook)
                own = Ruleset(self._own_tables(read_rule, family))
                chain = chain_of(chain_key, own, self._source)
                if isinstance(chain, Unknown):
                    failures.append(FirewallError(Trouble.GONE, f"{chain_key}: {chain.reason}"))
                    continue
                if not chain.rules and (chain.unknown_rules or not (chain.exists or chain.jumps)):
                    continue
                step = RemoveChain(chain_key, chain.jumps, chain.rules)
                try:
                    self._write(family, location.table, [step])
                except FirewallError as error:
                    failures.append(error)
                    continue
                failure = self._delete(family, [step])
                if failure is None:
                    done.append(step)
                else:
                    failures.append(failure)

    def _save_first(self) -> None:
        """The whole ruleset, as ``iptables-restore`` and ``ip6tables-restore`` take it back."""
        for family, tools in self.toolset.tools.items():
            stem = "iptables" if family is Family.INET else "ip6tables"
            name = f"{stem}-{self.toolset.variant}.rules"
            self.backup.save_once(name, partial(_whole_ruleset, tools, name))

    @property
    def _identity(self) -> FirewallIdentity:
        return FirewallIdentity(Program.IPTABLES, self.toolset.variant, self.toolset.version)

    @property
    def _source(self) -> Lister:
        return source_of(self.toolset.variant)

    def _understand(self, fresh: dict[str, RuleSpec], text: str) -> RuleSpec:
        """Understand a rule once: nearly all rules are those of the last look."""
        spec = self._understood.get(text) or read_rule(text)
        fresh[text] = spec
        return spec

    def _tables(self, read: Read, family: Family) -> dict[TableKey, Table | Unknown]:
        return {**self._own_tables(read, family), **self._other_tables(read, family)}

    def _own_tables(self, read: Read, family: Family) -> dict[TableKey, Table | Unknown]:
        tools = self.toolset.tools.get(family)
        if tools is None:
            return {table_key(self._source, family, name): Unknown(_NO_BINARY) for name in TABLES}
        return _saved(tools, self.toolset.variant, family, read)

    def _other_tables(self, read: Read, family: Family) -> dict[TableKey, Table | Unknown]:
        """What the other variant has: the kernel evaluates both."""
        other = self.toolset.variant.other
        tools = tools_of(other).get(family)
        if tools is None or tools == self.toolset.tools.get(family):
            return {}
        return _saved(tools, other, family, read)

    def _write(self, family: Family, table: str, steps: Sequence[Step]) -> None:
        """One transaction. Where it is rejected and removes rules, once more with these as they
        are listed: somebody may have written one otherwise than we do (``--dport 0:80``), and
        iptables finds only what reads the same.
        """
        text = partial(script, table, steps, jump_at_end=self.jump_at_end)
        try:
            self._run(family, text())
        except ValueError as error:
            raise FirewallError(Trouble.REJECTED, str(error)) from error
        except FirewallError as error:
            removals = [step for step in steps if isinstance(step, RemoveRule)]
            if error.trouble is not Trouble.REJECTED or not removals:
                raise
            self._run(family, text(as_listed=self._as_listed(family, table, removals)))

    def _as_listed(self, family: Family, table: str, steps: Iterable[RemoveRule]) -> AsListed:
        """How the rules to be removed are listed now. Raises FirewallError."""
        now = self._own_tables(read_rule, family)[table_key(self._source, family, table)]
        if isinstance(now, Unknown):
            raise FirewallError(Trouble.GONE, now.reason)
        return {step: iter(texts_of(step.rule, step.chain_key, now)) for step in steps}

    def _delete(self, family: Family, steps: Iterable[Step]) -> FirewallError | None:
        """Delete the chains that are empty now; why that failed. One that somebody else's rule
        jumps to stays: it does nothing.
        """
        for step in steps:
            if isinstance(step, RemoveChain):
                try:
                    self._run(family, deletion(step))
                except FirewallError as error:
                    if error.trouble is not Trouble.REJECTED:
                        return error
        return None

    def _run(self, family: Family, text: str) -> None:
        tools = self.toolset.tools.get(family)
        if tools is None:
            raise FirewallError(Trouble.GONE, _NO_BINARY)
        answer = run(
            _restore(tools),
            stdin=text,
            timeout=WRITE_TIMEOUT,
            on_spawn=self.on_spawn,
        )
        if answer.status != 0:
            raise _failure(tools.restore, self._source, answer)


def _whole_ruleset(tools: Tools, name: str) -> dict[str, bytes]:
    answer = run([tools.save, "-c"])
    if answer.status != 0:
        raise FirewallError(Trouble.GONE, f"the rules could not be saved first: {answer.error}")
    return {name: (_BACKUP_HEAD + answer.output).encode(errors="surrogateescape")}


def _restore(tools: Tools) -> list[str]:
    return [tools.restore, "--noflush", "-w", str(LOCK_SECONDS)]


def _saved(
    tools: Tools, variant: Variant, family: Family, read: Read
) -> dict[TableKey, Table | Unknown]:
    """What a variant has of one family; those of TABLES in any case."""
    source = source_of(variant)
    keys = [table_key(source, family, name) for name in TABLES]
    try:
        if variant is Variant.LEGACY and not _legacy_tables(family):
            # Asking for a table by its name would load the kernel module and make it.
            return {key: Table(key) for key in keys}
        found = save(tools.save, source, FAMILY_NAMES[family], read, TABLES)
    except (OSError, MemoryError) as error:
        if not is_shortage(error):
            raise
        return dict.fromkeys(keys, Unknown(shortage_sentence(error)))
    return {table_key(source, family, name): table for name, table in found.items()}


def _legacy_tables(family: Family) -> frozenset[str]:
    """The tables of the legacy variant that the kernel has."""
    try:
        return frozenset(_LEGACY_TABLES[family].read_text().split())
    except OSError as error:
        if is_shortage(error):
            raise
        return frozenset()


def _failure(program: str, source: Lister, answer: Completed) -> FirewallError:
    said = " ".join(answer.error.split()) or f"exit status {answer.status}"
    name = Path(program).name
    if answer.status < 0:
        return FirewallError(Trouble.GONE, f"{name} was killed by signal {-answer.status}")
    if "xtables lock" in said or "temporarily unavailable" in said:
        return FirewallError(Trouble.BUSY, f"somebody holds the xtables lock: {said}")
    if lacking := lacking_right(source, said):
        return FirewallError(Trouble.GONE, f"{name} may not write: {said}{lacking}")
    return FirewallError(Trouble.REJECTED, f"{name} refused: {said}")
