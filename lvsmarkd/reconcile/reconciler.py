"""One pass after the other: the order of a pass is written here, and nowhere else.

gather    what the operator wrote, and what runs here: the files, keepalived, IPVS (InputReader)
snapshot  what the firewall holds, and what its rules can say (Backend.read); all else that packets
          meet on their way to IPVS (Surroundings.see)
desired   what must hold, by the inputs and the limits of that firewall (judge.desired)
decide    judge the snapshot, plan, leave out what was refused a moment ago (decision.decide)
guard     have what must hold marked by a table that nobody can flush, too (Guard.follow)
apply     carry out the steps, unless there are none (Backend.apply)
verify    read again and judge again: only what holds then is a repair (decision.conclude)
report    one value, of which journal, metrics and status are made (model.report)

Goals: what cannot be read or was refused never leads to a write, so each stage keeps the last
good state; a pass is bounded in time by the limits of what it calls; nothing is remembered from
pass to pass but the frozen ``State``, the last ``Desired`` and the last ``Report``.

Threads: a pass runs in a thread of its own (daemon.loop starts it), one at a time. That thread
alone calls ``run``, and so reads and changes the inputs, the backend and the state. The event
loop's thread may ask ``next_due`` and read the inputs between two passes, when nobody changes
them. ``on_call`` is called from the thread of the passes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from math import inf
from time import monotonic, time
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied, Backend
from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.declarations.settings import Settings
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.guard import NO_GUARD, GuardState
from lvsmarkd.model.host import HostView
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.report import NO_BACKEND, Mode, Repair, Report, Result
from lvsmarkd.model.rule import Rule
from lvsmarkd.model.ruleset import Table, TableKey
from lvsmarkd.model.shortage import is_shortage, shortage_sentence
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.reconcile.decision import Conclusion, Facts, conclude, decide
from lvsmarkd.reconcile.inputs import InputReader, Inputs
from lvsmarkd.reconcile.rule_counts import RuleCounts
from lvsmarkd.reconcile.state import Home, State


class PacketGuard(Protocol):
    """Marks what the firewall's rules should have marked, and did not."""

    @property
    def view(self) -> Mapping[TableKey, Table]:
        """Its table, where it is in force: the same value until it changes."""

    def follow(self, rules: Collection[Rule]) -> GuardState:
        """Mark what these rules mark, and no more. Raises nothing that is the kernel's fault."""

    def close(self) -> None:
        """Let go of it. What it marks stays where the kernel lets it."""


OnCall = Callable[[str, str, float], None]
"""Hears of each call of the backend: operation, result, seconds."""


class Clock(Struct, frozen=True):
    """Monotonic seconds for delays, seconds since the epoch for what people read."""

    monotonic: Callable[[], float] = monotonic
    epoch: Callable[[], float] = time


class LastLook(Struct, frozen=True):
    """What the last pass judged in the end."""

    desired: Desired
    seen: Snapshot


class Reconciler(Struct):
    """Makes what is there agree with what must hold, one pass at a time. The only writer.

    A ``single`` pass, of a command, has no past: no rule lingers.
    """

    inputs: InputReader
    backend: Backend
    clock: Clock = field(default_factory=Clock)
    on_call: OnCall = lambda _operation, _result, _seconds: None
    single: bool = False
    surroundings: Surroundings | None = None
    """What sees the rest of the rules; None: packets are judged by the backend's alone."""
    guard: PacketGuard | None = None
    _state: State = field(default_factory=State)
    _linger: float = 0.0
    _desired: Desired | None = None
    _basis: tuple[Inputs, Limits, HostView] | None = None
    _reported: Report | None = None
    _began: float = -inf
    _outlooks: Outlooks = field(default_factory=Outlooks)
    look: LastLook | None = None
    """Frozen, and put there whole: any thread may take it."""

    def run(self, wakes: Iterable[Wake], mode: Callable[[Settings], Mode]) -> Report:
        """One pass, for these reasons. Raises nothing that is the firewall's, a file's or the
        host's: where descriptors or memory are lacking, the last good state stays.

        ``mode`` is asked once the settings are read: they may have just been saved with another.
        """
        start = self._began = self.clock.monotonic()
        reasons = tuple(wakes) or (Wake(Trigger.TIMER),)
        try:
            self._reported = self._pass(reasons, mode, start)
        except (OSError, MemoryError) as error:
            if not is_shortage(error):
                raise
            now = mode(self.inputs.settings)
            self._reported = self._cut_short(error, reasons[0].trigger, now, start)
        return self._reported

    def next_due(self) -> float | None:
        """When (monotonic) something that was put off is due: a lingering rule, a rule that the
        firewall refused.

        What came due while the last pass ran is due still: that pass judged by its beginning.
        """
        return self._state.next_due(self._began, self._linger)

    def _pass(
        self, reasons: tuple[Wake, ...], mode: Callable[[Settings], Mode], start: float
    ) -> Report:
        asked = any(wake.trigger is Trigger.CONTROL for wake in reasons)
        if any(wake.trigger is Trigger.SIGNAL for wake in reasons):
            self.inputs.expire()
        inputs = self.inputs.gather()
        settings = inputs.settings
        self._linger = 0.0 if self.single else settings.daemon.linger_seconds

        seen = self._read()
        wanted = self._want(inputs, seen)

        state = self._state.at(_home(seen, settings))
        facts = Facts(
            wanted, seen, start, mode(settings), self._linger, inputs.refused, self._outlooks
        )
        state = state.asked() if asked else state
        decision = decide(state, facts)

        # Before the steps: some cost packets themselves (a reload of firewalld).
        guard, is_another = self._guarded(wanted, facts.mode)
        if is_another and not decision.steps:  # what was judged was judged with the one before
            seen = self._read()
            facts = replace(facts, seen=seen)
            decision = decide(state, facts)

        actors = tuple(dict.fromkeys(w.actor for w in reasons if w.actor is not None))
        after, failure, latency = seen, None, None
        conclusion = Conclusion(decision.found, (), decision.state)
        if decision.steps:
            applied = self._apply(Plan(steps=decision.steps, requested=asked))
            failure = applied.error
            after = self._read()
            conclusion = conclude(decision, facts, applied, after, actors)
            latency = self.clock.monotonic() - start if conclusion.repairs else None

        now = self.clock.monotonic()
        self._state = conclusion.state.ended(wanted, after, now)
        self.look = LastLook(wanted, after)
        left, repairs = conclusion.left, conclusion.repairs
        counts, epoch = RuleCounts(wanted, after, self._outlooks), self.clock.epoch()
        return Report(
            trigger=reasons[0].trigger,
            result=_result(failure, repairs, left, facts.mode),
            mode=facts.mode,
            backend=after.firewall.name,
            backend_version=after.firewall.version,
            found=decision.found,
            left=left,
            services=counts.services(),
            repairs=repairs,
            fights=self._state.fights(),
            actors=actors,
            rules_desired=counts.desired(),
            rules_present=counts.present(),
            rejected=self._state.rejected(),
            configuration_valid=wanted.removable,
            configuration_problems=tuple(
                f
                for f in left.findings
                if f.kind in {Kind.REFUSED, Kind.PROBLEM} and f.severity is not Severity.NOTE
            ),
            checksum=wanted.checksum,
            finished=epoch,
            duration=now - start,
            latency=latency,
            error=str(failure) if failure else "",
            trouble=str(failure.trouble) if failure else "",
            source=inputs.source,
            unread=counts.unread(),
            unjudged=counts.unjudged(),
            keepalived_runs=wanted.runtime_state.keepalived_runs,
            guard=guard,
        )

    def close(self) -> None:
        """Let go of firewall and guard: no pass is under way any more."""
        self.backend.close()
        if self.guard is not None:
            self.guard.close()

    def _guarded(self, wanted: Desired, mode: Mode) -> tuple[GuardState, bool]:
        """The guard follows what must hold; where nothing may be written, there is none. Gives
        whether packets meet another one than before, too.
        """
        if self.guard is None:
            return NO_GUARD, False
        wants = mode is Mode.ENFORCE and self.inputs.settings.firewall.wants_guard
        before = self.guard.view
        state = self.guard.follow(wanted.rules if wants else ())
        return state, self.guard.view != before

    def _cut_short(
        self, error: OSError | MemoryError, trigger: Trigger, mode: Mode, start: float
    ) -> Report:
        """What a pass came to that the host could not carry: all findings of before hold, and of
        what there is now nothing is known.
        """
        known = self._reported or Report(
            trigger, Result.ERROR, mode, NO_BACKEND, "", Plan(), Plan()
        )
        why = shortage_sentence(error)
        unseen = [
            replace(state, covered=None, unknown_because=why, packets=None, loaded=None)
            for state in known.services
        ]
        return replace(
            known,
            services=tuple(unseen),
            rules_present={},
            keepalived_runs=None,
            trigger=trigger,
            result=Result.ERROR,
            mode=mode,
            found=known.left,
            repairs=(),
            actors=(),
            duration=self.clock.monotonic() - start,
            latency=None,
            error=why,
            trouble=str(Trouble.GONE),
            finished=self.clock.epoch(),
        )

    def _want(self, inputs: Inputs, seen: Snapshot) -> Desired:
        """What must hold. It is computed anew only when something that it depends on changed."""
        limits, host = seen.limits, seen.host
        basis = (inputs, limits, host)
        if self._desired is None or self._basis is None or self._basis != basis:
            self._desired, self._basis = inputs.desired(limits, host, self._desired), basis
        return self._desired

    def _read(self) -> Snapshot:
        start = self.clock.monotonic()
        seen = self.backend.read()
        if self.surroundings is not None:
            seen = self.surroundings.see(seen)
        self.on_call("observe", "ok", self.clock.monotonic() - start)
        return seen

    def _apply(self, plan: Plan) -> Applied:
        start = self.clock.monotonic()
        applied = self.backend.apply(plan)
        self.on_call("apply", _result_of(applied), self.clock.monotonic() - start)
        return applied


def _home(seen: Snapshot, settings: Settings) -> Home:
    firewalld = settings.firewall.firewalld
    return Home(seen.firewall, firewalld.placement, firewalld.zones, seen.limits.jump_at_end)


def _result_of(applied: Applied) -> str:
    """As metrics call it."""
    if applied.error is None:
        return "ok"
    return "error" if applied.error.trouble is Trouble.GONE else str(applied.error.trouble)


def _result(
    failure: FirewallError | None, repairs: tuple[Repair, ...], left: Plan, mode: Mode
) -> Result:
    if failure is not None:
        return Result.ERROR
    if left.steps and mode is Mode.ENFORCE:
        return Result.SUPPRESSED
    if repairs:
        return Result.REPAIRED
    return Result.IN_SYNC if left.in_sync else Result.DRIFT
