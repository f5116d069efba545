"""All that one pass leaves to the next: one record for each thing of ours. A frozen value; what a
pass sees and does gives the next one, and a question changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.declarations.tables import Placement
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.drift import History
from lvsmarkd.model.firewall import NO_FIREWALL, FirewallIdentity
from lvsmarkd.model.plan import (
    AddRule,
    EnsureJump,
    Owned,
    Part,
    RemoveChain,
    RemoveRule,
    ReplaceChain,
    Step,
    owned_by,
)
from lvsmarkd.model.report import Cause, Fight
from lvsmarkd.model.rule import ChainKey, Hook, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Actor
from lvsmarkd.reconcile.record import NOTHING, Record, Rejected, Undone


class Home(Struct, frozen=True):
    """Where rules are kept: which firewall, and by the settings where in it."""

    firewall: FirewallIdentity
    placement: Placement
    zones: tuple[str, ...]
    jump_at_end: bool


class State(Struct, frozen=True):
    """The records, by what they are about. ``now`` is everywhere in monotonic seconds."""

    records: Mapping[Owned, Record] = field(default_factory=dict)
    home: Home | None = None
    """Where rules were kept at the last pass; None before the first one."""
    blank: bool = True
    """No pass has ended, or none since there was a firewall to ask: nobody is blamed for what is
    missing."""

    def record(self, owned: Owned) -> Record:
        """What is known of one thing."""
        return self.records.get(owned, NOTHING)

    def at(self, home: Home) -> "State":
        """Begin anew where another firewall keeps the rules from now on, or they belong elsewhere
        in it: what is missing there was not undone by anybody.

        While there is no firewall to ask, none has moved: what is known is known still.
        """
        if home.firewall == NO_FIREWALL:
            return replace(self, blank=True)
        if self.home is None:
            return replace(self, home=home)
        if replace(self.home, jump_at_end=home.jump_at_end) != home:
            return State(home=home)
        if self.home == home:
            return self
        # That the jumps belong elsewhere now was our own wish: those there were moved by nobody.
        jumps = {
            owned: record if owned.part not in _LEADS else replace(record, applied_since=None)
            for owned, record in self.records.items()
        }
        return replace(self, records=jumps, home=home)

    def asked(self) -> "State":
        """A person asks: everything may be tried now."""
        return replace(self, records={o: record.at_once() for o, record in self.records.items()})

    def looked(self, wanted: Desired, seen: Snapshot, now: float) -> "State":
        """After a look: rules that serve nothing linger from now on, and nothing is wrong with one
        that is in force, by whatever means, or that nobody wants any more.

        What cannot be read is as it was.
        """
        there = dict(_rules(seen))
        since = {
            owned.part: record.unwanted_since
            for owned, record in self.records.items()
            if record.unwanted_since is not None
        }
        records: dict[Owned, Record] = {}
        for owned in dict.fromkeys((*self.records, *there)):
            record = self.record(owned)
            if isinstance(owned.part, Rule):
                unwanted = None
                if owned.part not in wanted.rules:
                    if owned in there:
                        unwanted = since.get(owned.part, now)
                    elif _unread(owned, seen):
                        unwanted = record.unwanted_since
                rejected = record.rejected
                if owned.part not in wanted.rules or there.get(owned):
                    rejected = None
                if unwanted != record.unwanted_since or rejected is not record.rejected:
                    record = replace(record, unwanted_since=unwanted, rejected=rejected)
            records[owned] = record
        return replace(self, records=records)

    def history(self, now: float, linger: float) -> History:
        """What the judge is told of the past."""
        lingering = {
            owned.part
            for owned, record in self.records.items()
            if record.unwanted_since is not None and now < record.unwanted_since + linger
        }
        return History(lingering.__contains__, self._known().__contains__)

    def allowed(self, steps: Iterable[Step], now: float) -> Iterator[Step]:
        """The steps to carry out now, without the rules that were refused a moment ago."""
        for step in steps:
            match step:
                case AddRule(chain_key, rule):
                    if self._allows_try(chain_key, rule, now):
                        yield step
                case ReplaceChain(chain_key, rules):
                    rules = tuple(r for r in rules if self._allows_try(chain_key, r, now))
                    yield replace(step, rules=rules)
                case _:
                    yield step

    def cause(self, step: Step, wanted: Desired) -> Cause:
        """Why a step is needed: somebody undid what was in force, or the configuration asks.

        Where nothing is known from before, nobody is blamed.
        """
        if self.blank:
            return Cause.CONFIG
        match step:
            case AddRule():
                undone = self._applied(owned_by(step)[0])
            case RemoveRule(_, rule):
                undone = not self._applied(owned_by(step)[0]) or rule in wanted.rules
            case ReplaceChain(chain_key) | EnsureJump(chain_key):
                undone = self._applied(_lead(chain_key, step.container))
            case RemoveChain():
                undone = False
        return Cause.DRIFT if undone else Cause.CONFIG

    def tried(
        self,
        steps: Iterable[Step],
        rejected: Iterable[tuple[Rule, str]],
        now: float,
        *,
        whole: bool,
    ) -> "State":
        """After a write: these rules were refused; where the ``whole`` was carried out, the others
        of the steps were taken.
        """
        reasons, records = dict(rejected), dict(self.records)
        for owned in (owned for step in steps for owned in rules_added(step)):
            record = self.record(owned)
            reason = reasons.get(owned.part) if isinstance(owned.part, Rule) else None
            if reason is not None:
                refused = (record.rejected or Rejected(reason)).again(reason, now)
                records[owned] = replace(record, rejected=refused)
            elif whole and record.rejected is not None:
                records[owned] = replace(record, rejected=None)
        return replace(self, records=records)

    def repaired(self, things: Iterable[Owned], now: float, actors: tuple[Actor, ...]) -> "State":
        """After a write: these were put back, which somebody had undone."""
        records = dict(self.records)
        for owned in things:
            record = records.get(owned, NOTHING)
            records[owned] = replace(record, undone=(record.undone or Undone()).again(now, actors))
        return replace(self, records=records)

    def ended(self, wanted: Desired, seen: Snapshot, now: float) -> "State":
        """At the end of a pass: what is in force, and what is no longer worth a record."""
        there = {owned for owned, in_force in _rules(seen) if in_force}
        there.update(_leads(seen))
        hooks = {(rule.family, rule.hook) for rule in wanted.rules}
        records: dict[Owned, Record] = {}
        for owned in dict.fromkeys((*self.records, *there)):
            record = self.record(owned)
            applied = record.applied_since
            if owned in there:
                applied = now if applied is None else applied
            elif not _unread(owned, seen) and not _is_wanted(owned, wanted, hooks):
                applied = None
            undone = record.undone
            if undone is not None and undone.past(now):
                undone = None
            if applied != record.applied_since or undone is not record.undone:
                record = replace(record, applied_since=applied, undone=undone)
            if record != NOTHING:
                records[owned] = record
        blank = self.blank and seen.firewall == NO_FIREWALL
        return replace(self, records=records, blank=blank)

    def fights(self) -> tuple[Fight, ...]:
        """The fights going on, one for all that the same programs undo."""
        by_actors: dict[tuple[Actor, ...], list[tuple[Owned, int]]] = {}
        for owned, record in self.records.items():
            if (undone := record.undone) is not None and undone.fighting:
                by_actors.setdefault(undone.by, []).append((owned, undone.times))
        return tuple(
            Fight(tuple(owned for owned, _ in fought), max(times for _, times in fought), actors)
            for actors, fought in by_actors.items()
        )

    def rejected(self) -> tuple[tuple[Rule, str], ...]:
        """The rules refused at their last try, each once, with the reason."""
        reasons = {
            owned.part: record.rejected.reason
            for owned, record in self.records.items()
            if isinstance(owned.part, Rule) and record.rejected is not None
        }
        return tuple(reasons.items())

    def next_due(self, now: float, linger: float) -> float | None:
        """When something that was put off is due: a lingering rule, a refused rule."""
        dues = (due for record in self.records.values() for due in record.dues(linger))
        return min((due for due in dues if due > now), default=None)

    def _applied(self, owned: Owned) -> bool:
        return self.record(owned).applied_since is not None

    def _allows_try(self, chain_key: ChainKey, rule: Rule, now: float) -> bool:
        return self.record(Owned(chain_key, rule)).allows_try(now)

    def _known(self) -> set[ChainKey]:
        """The chains where rules of ours were in force, or a jump to them."""
        return {
            o.chain_key for o, record in self.records.items() if record.applied_since is not None
        }


def rules_added(step: Step) -> tuple[Owned, ...]:
    """The rules that a step puts in."""
    match step:
        case AddRule(chain_key, rule):
            return (Owned(chain_key, rule),)
        case ReplaceChain(chain_key, rules):
            return tuple(Owned(chain_key, rule) for rule in rules)
        case _:
            return ()


def _rules(seen: Snapshot) -> Iterator[tuple[Owned, bool]]:
    """The rules of ours that are there, and whether they are in force: everywhere they should."""
    for chain_key, chain in seen.held.items():
        if isinstance(chain, Chain):
            for rule in chain.incomplete:
                yield Owned(chain_key, rule), False
            for rule in chain.rules:
                yield Owned(chain_key, rule), True


_LEADS = frozenset({Part.JUMP, Part.CONTAINER})
"""What leads packets to the rules of a chain: a jump to it, or what holds many chains' rules."""


def _lead(chain_key: ChainKey, container: str) -> Owned:
    return Owned(chain_key, Part.CONTAINER if container else Part.JUMP)


def _leads(seen: Snapshot) -> Iterator[Owned]:
    for chain_key, chain in seen.held.items():
        # What holds many chains' rules is known to be ours only by a rule of ours.
        if isinstance(chain, Chain) and chain.jumps and (chain.rules or not chain.container):
            yield _lead(chain_key, chain.container)


def _unread(owned: Owned, seen: Snapshot) -> bool:
    return isinstance(seen.chains.get(owned.chain_key), Unknown)


def _is_wanted(owned: Owned, wanted: Desired, hooks: set[tuple[Family, Hook]]) -> bool:
    if isinstance(owned.part, Rule):
        return owned.part in wanted.rules
    return owned.part in _LEADS and (owned.chain_key.family, owned.chain_key.hook) in hooks
