"""The iptables backend: reads with iptables-save, writes with iptables-restore --noflush."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lvsmarkd.backends.backend import Applied
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.bisect_rejected import bisect_rejected
from lvsmarkd.backends.iptables.chains import LOCATIONS, TABLES, is_plain_jump, own_rule
from lvsmarkd.backends.iptables.listing import Listing, ListingError, read_listing
from lvsmarkd.backends.iptables.script import deletion, of_table, script
from lvsmarkd.backends.iptables.syntax import Syntax, read_rule
from lvsmarkd.backends.iptables.toolset import Tools, Toolset, Variant, tools_of
from lvsmarkd.backends.iptables.walk import Walk
from lvsmarkd.model.firewall import FirewallIdentity, Program
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.notice import Notice, NoticeKind
from lvsmarkd.model.plan import Plan, RemoveChain, Step
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.model.shortage import is_shortage, shortage_sentence
from lvsmarkd.model.snapshot import Chain, ForeignRule, SetsUnknownMark, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.netfilter.iptables_qualifiers import max_values
from lvsmarkd.netfilter.program import WRITE_TIMEOUT, Completed, OnSpawn, run

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


@dataclass(slots=True)
class IptablesBackend:
    """One variant of iptables, IPv4 and IPv6.

    ``backup`` saves the ruleset before the first write ever. ``on_spawn`` hears of every
    program that is about to write. ``jump_at_end`` is where the operator wants our jump.
    """

    toolset: Toolset
    backup: Backup
    jump_at_end: bool = False
    on_spawn: OnSpawn = lambda _pid: None
    _understood: dict[str, Syntax] = field(default_factory=dict)

    def read(self) -> Snapshot:
        """Read mangle and filter of both families."""
        fresh: dict[str, Syntax] = {}
        try:
            with ThreadPoolExecutor(len(Family)) as both:
                read = dict(zip(Family, both.map(self._tables, Family), strict=True))
        except RuntimeError:  # no thread can be started (TasksMax=, memory): one after the other
            read = {family: self._tables(family) for family in Family}
        chains: dict[ChainKey, Chain | Unknown] = {}
        foreign: list[ForeignRule] = []
        dropping = set()
        for family, tables in read.items():
            for hook, location in LOCATIONS.items():
                chain_key = ChainKey(Plane.RUNTIME, family, hook)
                table = tables[location.table]
                if isinstance(table, Unknown):
                    chains[chain_key] = table
                    continue
                chains[chain_key] = self._chain(chain_key, table, fresh)
                foreign += self._foreign(chain_key, table, fresh)
                if hook is Hook.INPUT:
                    foreign += self._marks_at_input(family, table, fresh)
            accepts = tables[LOCATIONS[Hook.INPUT].table]
            if isinstance(accepts, Listing) and accepts.policies.get("INPUT") == "DROP":
                dropping.add(family)
        self._understood = fresh
        notices = tuple(self._of_other_variant())
        names = frozenset(
            chain
            for tables in read.values()
            for table in tables.values()
            if isinstance(table, Listing)
            for chain in table.policies
        )
        return Snapshot(
            chains,
            tuple(foreign),
            frozenset(dropping),
            notices,
            names,
            firewall=self._identity,
            limits=Limits(max_values=max_values(), jump_at_end=self.jump_at_end),
        )

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
                    try:
                        rejected += bisect_rejected(own, partial(self._write, family, table))
                        self._delete(family, own)
                    except FirewallError as error:
                        failures.append(error)
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
                chain_key, table = (
                    ChainKey(Plane.RUNTIME, family, hook),
                    self._table(family, location.table),
                )
                if isinstance(table, Unknown):
                    failures.append(FirewallError(Trouble.GONE, f"{chain_key}: {table.reason}"))
                    continue
                chain = self._chain(chain_key, table, {})
                if not chain.rules and (chain.unknown_rules or not (chain.exists or chain.jumps)):
                    continue
                step = RemoveChain(chain_key, chain.jumps, chain.rules)
                try:
                    self._write(family, location.table, [step])
                    self._delete(family, [step])
                    done.append(step)
                except FirewallError as error:
                    failures.append(error)

    def _save_first(self) -> None:
        """The whole ruleset, as ``iptables-restore`` and ``ip6tables-restore`` take it back."""
        for family, tools in self.toolset.tools.items():
            stem = "iptables" if family is Family.INET else "ip6tables"
            name = f"{stem}-{self.toolset.variant}.rules"
            self.backup.save_once(name, partial(_whole_ruleset, tools, name))

    @property
    def _identity(self) -> FirewallIdentity:
        return FirewallIdentity(Program.IPTABLES, self.toolset.variant, self.toolset.version)

    def _tables(self, family: Family) -> dict[str, Listing | Unknown]:
        return {table: self._table(family, table) for table in TABLES}

    def _table(self, family: Family, table: str) -> Listing | Unknown:
        tools = self.toolset.tools.get(family)
        if tools is None:
            return Unknown(_NO_BINARY)
        try:
            if self.toolset.variant is Variant.LEGACY and not _legacy_table(family, table):
                return Listing()  # asking for it would load the kernel module and make the table
            answer = run([tools.save, "-c", "-t", table])
            if answer.status != 0:
                said = " ".join(answer.error.split()) or str(answer.status)
                return Unknown(f"{tools.save} failed: {said}{_lacking(tools.save, said)}")
            return read_listing(answer.output, table)
        except (FirewallError, ListingError) as error:
            return Unknown(str(error))
        except (OSError, MemoryError) as error:
            if not is_shortage(error):
                raise
            return Unknown(shortage_sentence(error))

    def _read(self, text: str, fresh: dict[str, Syntax]) -> Syntax:
        """Understand a rule once: nearly all rules are those of the last look."""
        syntax = self._understood.get(text) or read_rule(text)
        fresh[text] = syntax
        return syntax

    def _chain(self, chain_key: ChainKey, table: Listing, fresh: dict[str, Syntax]) -> Chain:
        location = LOCATIONS[chain_key.hook]
        rules, unknown_rules, packets = [], [], []
        for line in table.rules.get(location.chain, ()):
            rule = own_rule(self._read(line.text, fresh), chain_key.family, chain_key.hook)
            if rule is None:
                unknown_rules.append(line.text)
            else:
                rules.append(rule)
                packets.append(line.packets)
        jumps = sum(
            is_plain_jump(self._read(line.text, fresh), line.text, location.chain)
            for line in table.rules.get(location.base_chain, ())
        )
        return Chain(
            location.chain in table.policies,
            jumps,
            tuple(rules),
            tuple(unknown_rules),
            tuple(packets),
        )

    def _foreign(
        self, chain_key: ChainKey, table: Listing, fresh: dict[str, Syntax]
    ) -> Iterator[ForeignRule]:
        location = LOCATIONS[chain_key.hook]
        known = {chain: table.rules.get(chain, []) for chain in table.policies}
        hooks = [(location.base_chain, False)]
        if chain_key.hook is Hook.PREROUTING:
            hooks.append(("INPUT", True))  # a mark set here still comes before IPVS
        for hook, later in hooks:
            yield from Walk(
                chain_key, location.table, hook, known, lambda text: self._read(text, fresh), later
            ).foreign()

    def _marks_at_input(
        self, family: Family, table: Listing, fresh: dict[str, Syntax]
    ) -> Iterator[ForeignRule]:
        """The filter at INPUT may change a mark, too, and comes before IPVS."""
        chain_key = ChainKey(Plane.RUNTIME, family, Hook.PREROUTING)
        known = {chain: table.rules.get(chain, []) for chain in table.policies}
        walk = Walk(
            chain_key, "filter", "INPUT", known, lambda text: self._read(text, fresh), later=True
        )
        return (r for r in walk.foreign() if isinstance(r.effect, SetMark | SetsUnknownMark))

    def _of_other_variant(self) -> Iterator[Notice]:
        """Notice rules in the other variant: the kernel evaluates both rulesets."""
        other = self.toolset.variant.other
        for family, tools in tools_of(other).items():
            for table in TABLES:
                if tools == self.toolset.tools.get(family):
                    continue
                try:
                    if other is Variant.LEGACY and not _legacy_table(family, table):
                        continue
                    answer = run([tools.save, "-t", table])
                except (FirewallError, OSError):
                    continue  # a notice that cannot be had must not spoil the look
                count = answer.output.count("\n-A ")
                if answer.status == 0 and count:
                    names = (FirewallIdentity(Program.IPTABLES, other).name, table)
                    yield Notice(NoticeKind.OTHER_VARIANT, names=names, count=count, family=family)

    def _write(self, family: Family, table: str, steps: Sequence[Step]) -> None:
        try:
            text = script(table, steps, jump_at_end=self.jump_at_end)
        except ValueError as error:
            raise FirewallError(Trouble.REJECTED, str(error)) from error
        self._run(family, text)

    def _delete(self, family: Family, steps: Iterable[Step]) -> None:
        """Delete the chains that are empty now. One that somebody else's rule jumps to stays:
        it does nothing.
        """
        for step in steps:
            if isinstance(step, RemoveChain):
                try:
                    self._run(family, deletion(step))
                except FirewallError as error:
                    if error.trouble is not Trouble.REJECTED:
                        raise

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
            raise _failure(tools.restore, answer)


def _whole_ruleset(tools: Tools, name: str) -> dict[str, bytes]:
    answer = run([tools.save, "-c"])
    if answer.status != 0:
        raise FirewallError(Trouble.GONE, f"the rules could not be saved first: {answer.error}")
    return {name: (_BACKUP_HEAD + answer.output).encode(errors="surrogateescape")}


def _restore(tools: Tools) -> list[str]:
    return [tools.restore, "--noflush", "-w", str(LOCK_SECONDS)]


def _legacy_table(family: Family, table: str) -> bool:
    try:
        return table in _LEGACY_TABLES[family].read_text().split()
    except OSError as error:
        if is_shortage(error):
            raise
        return False


def _failure(program: str, answer: Completed) -> FirewallError:
    said = " ".join(answer.error.split()) or f"exit status {answer.status}"
    name = Path(program).name
    if answer.status < 0:
        return FirewallError(Trouble.GONE, f"{name} was killed by signal {-answer.status}")
    if "xtables lock" in said or "temporarily unavailable" in said:
        return FirewallError(Trouble.BUSY, f"somebody holds the xtables lock: {said}")
    if lacking := _lacking(program, said):
        return FirewallError(Trouble.GONE, f"{name} may not write: {said}{lacking}")
    return FirewallError(Trouble.REJECTED, f"{name} refused: {said}")


def _lacking(program: str, said: str) -> str:
    """Which right is missing where that is what a program says; else nothing."""
    if "Permission denied" not in said and "Operation not permitted" not in said:
        return ""
    if Variant.LEGACY in Path(program).name:
        return (
            " (CAP_NET_ADMIN and CAP_NET_RAW are needed: the unit's drop-in iptables-legacy.conf"
            " gives the second: see /usr/share/doc/lvsmarkd/install.md)"
        )
    return " (CAP_NET_ADMIN is needed)"
