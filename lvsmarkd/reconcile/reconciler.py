"""One pass: gather, desired, observe, judge, apply, verify, report. The only writer."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic, time

from lvsmarkd.backends.backend import Applied, Backend
from lvsmarkd.declarations.tables import Placement
from lvsmarkd.judge.desired import Desired, Policy, desired
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.refusals import refused_settings, rejected_rules
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.firewall import FirewallIdentity
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.plan import AddRule, Plan, ReplaceChain, Step, owned_by
from lvsmarkd.model.report import NO_BACKEND, Cause, Mode, Repair, Report, Result
from lvsmarkd.model.shortage import is_shortage, shortage_sentence
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.wake import Actor, Trigger, Wake
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from lvsmarkd.reconcile.applied_state import AppliedState, rules_of
from lvsmarkd.reconcile.fights import Fights
from lvsmarkd.reconcile.inputs import InputReader, Inputs
from lvsmarkd.reconcile.rejected_rules import RejectedRules
from lvsmarkd.reconcile.rule_counts import RuleCounts

OnCall = Callable[[str, str, float], None]
"""Hears of each call of the backend: operation, result, seconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for delays, seconds since the epoch for what people read."""

    monotonic: Callable[[], float] = monotonic
    epoch: Callable[[], float] = time


@dataclass(frozen=True, slots=True)
class _Home:
    """Where rules are kept: which firewall, and by the settings where in it."""

    firewall: FirewallIdentity
    placement: Placement
    zones: tuple[str, ...]


@dataclass(slots=True)
class Reconciler:
    """Makes what is there agree with what must hold, one pass at a time.

    ``run`` blocks and is bounded in time by the backend's own limits. It is not thread-safe:
    one pass ends before the next begins.
    """

    inputs: InputReader
    backend: Backend
    linger: float = 0.0
    clock: Clock = field(default_factory=Clock)
    on_call: OnCall = lambda _operation, _result, _seconds: None
    fights: Fights = field(default_factory=Fights)
    quarantine: RejectedRules = field(default_factory=RejectedRules)
    _applied: AppliedState = field(default_factory=AppliedState)
    _desired: Desired | None = None
    _home: _Home | None = None
    _last: bool | None = None
    _basis: tuple[Inputs, Policy] | None = None
    _reported: Report | None = None
    _began: float = -inf

    def run(self, wakes: Iterable[Wake], mode: Callable[[], Mode]) -> Report:
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
            self._reported = self._cut_short(error, reasons[0].trigger, mode(), start)
        return self._reported

    def _cut_short(
        self, error: OSError | MemoryError, trigger: Trigger, mode: Mode, start: float
    ) -> Report:
        """What a pass came to that the host could not carry: all that was known before holds."""
        known = self._reported or Report(
            trigger, Result.ERROR, mode, NO_BACKEND, "", Plan(), Plan()
        )
        return replace(
            known,
            trigger=trigger,
            result=Result.ERROR,
            mode=mode,
            found=known.left,
            repairs=(),
            actors=(),
            duration=self.clock.monotonic() - start,
            latency=None,
            error=shortage_sentence(error),
            trouble=str(Trouble.GONE),
            finished=self.clock.epoch(),
        )

    def _pass(self, reasons: tuple[Wake, ...], mode: Callable[[], Mode], start: float) -> Report:
        actors = tuple(dict.fromkeys(w.actor for w in reasons if w.actor is not None))
        requested = any(wake.trigger is Trigger.CONTROL for wake in reasons)
        if requested:
            self.fights.reset_backoff()
            self.quarantine.reset_backoff()
        if any(wake.trigger is Trigger.SIGNAL for wake in reasons):
            self.inputs.expire()
        inputs_now = self.inputs.gather()
        now = mode()
        seen = self._read()
        self._know(seen)
        wanted = self._want(inputs_now, seen.limits)
        self.quarantine.keep(wanted.rules)
        found = self._judge(wanted, seen, start, inputs_now)
        steps = self._allowed(found, now, start)
        repairs: tuple[Repair, ...] = ()
        failure: FirewallError | None = None
        left, after, latency = found, seen, None
        if steps:
            applied = self._apply(Plan(steps=steps, requested=requested))
            failure = applied.error
            self.quarantine.record(steps, applied.rejected, start, whole=failure is None)
            steps = tuple(_taken(steps, applied))
            after = self._read()
            left = self._judge(wanted, after, start, inputs_now)
            tried = [Repair(step, self._applied.cause(step, wanted)) for step in steps]
            if after.firewall == seen.firewall:  # else it is not seen what became of the steps
                repairs = self._repairs(tried, left, actors, start, whole=failure is None)
            latency = self.clock.monotonic() - start if repairs else None
        self._applied.remember(wanted, after)
        return self._report(
            RuleCounts(wanted, after),
            Report(
                trigger=reasons[0].trigger,
                result=_result(failure, repairs, left, now),
                mode=now,
                backend=after.firewall.name,
                backend_version=after.firewall.version,
                found=found,
                left=left,
                repairs=repairs,
                actors=actors,
                duration=self.clock.monotonic() - start,
                latency=latency,
                error=str(failure) if failure else "",
                trouble=str(failure.trouble) if failure else "",
                source=inputs_now.source,
            ),
        )

    def next_due(self) -> float | None:
        """When (monotonic) something that was put off is due: a lingering rule, a fight, a
        rule that the kernel refused.

        What came due while the last pass ran is due still: that pass judged by its beginning.
        """
        judged = self._began
        dues = (
            self._applied.next_due(judged, self.linger),
            self.fights.next_due(judged),
            self.quarantine.next_due(judged),
        )
        return min((due for due in dues if due is not None), default=None)

    def _know(self, seen: Snapshot) -> None:
        """Begin anew where another firewall keeps the rules from now on, or they belong elsewhere
        in it: what is missing there was not undone by anybody.
        """
        firewalld = self.inputs.loaded.settings.firewall.firewalld
        home = _Home(seen.firewall, firewalld.placement, firewalld.zones)
        if self._home is not None and home != self._home:
            self._applied, self.fights, self.quarantine = AppliedState(), Fights(), RejectedRules()
        if seen.limits.jump_at_end is not self._last:
            self._applied.forget_jumps()  # that they stand elsewhere now was our own wish
        self._home, self._last = home, seen.limits.jump_at_end

    def _want(self, inputs_now: Inputs, limits: Limits) -> Desired:
        policy = self.inputs.policy(limits)
        if self._desired is None or self._basis is None or self._basis != (inputs_now, policy):
            self._desired = desired(
                inputs_now.reading,
                inputs_now.declared,
                policy,
                self._desired,
                inputs_now.runtime_state,
            )
            self._basis = (inputs_now, policy)
        return self._desired

    def _read(self) -> Snapshot:
        start = self.clock.monotonic()
        seen = self.backend.read()
        self.on_call("observe", "ok", self.clock.monotonic() - start)
        return seen

    def _apply(self, plan: Plan) -> Applied:
        start = self.clock.monotonic()
        applied = self.backend.apply(plan)
        self.on_call("apply", _result_of(applied), self.clock.monotonic() - start)
        return applied

    def _judge(self, wanted: Desired, seen: Snapshot, now: float, inputs_now: Inputs) -> Plan:
        self._applied.notice(wanted, seen, now)
        self.quarantine.seen(rule for _, rule in rules_of(seen))
        plan = judge(
            wanted,
            seen,
            history=History(
                lambda rule: self._applied.lingers(rule, now, self.linger), self._applied.knows
            ),
        )
        own = [
            *refused_settings(inputs_now.refused),
            *rejected_rules(self.quarantine.refused()),
        ]
        return replace(plan, findings=(*own, *plan.findings)) if own else plan

    def _allowed(self, plan: Plan, mode: Mode, now: float) -> tuple[Step, ...]:
        """The steps that may be carried out now."""
        if mode is not Mode.ENFORCE:
            return ()
        steps = (self.quarantine.without_refused(step, now) for step in plan.steps)
        due = (step for step in steps if step is not None)
        return tuple(step for step in due if self.fights.allows(owned_by(step)[0], now))

    def _repairs(
        self,
        tried: Iterable[Repair],
        left: Plan,
        actors: tuple[Actor, ...],
        now: float,
        *,
        whole: bool,
    ) -> tuple[Repair, ...]:
        """What was carried out and holds.

        Drift is counted even where it does not hold: somebody may undo it before we look. But
        where not the ``whole`` could be written, what does not hold may never have been.
        """
        undone = {owned_by(step)[0] for step in left.steps}
        repairs = list(tried)
        for repair in repairs:
            if repair.cause is Cause.DRIFT and (whole or owned_by(repair.step)[0] not in undone):
                for owned in owned_by(repair.step):
                    self.fights.repaired(owned, now, actors)
        return tuple(repair for repair in repairs if owned_by(repair.step)[0] not in undone)

    def _report(self, census: RuleCounts, report: Report) -> Report:
        now, epoch = self.clock.monotonic(), self.clock.epoch()
        return replace(
            report,
            services=census.services(),
            rules_desired=census.desired(),
            rules_present=census.present(),
            unread=census.unread(),
            fights=self.fights.current(now, epoch),
            rejected=self.quarantine.refused(),
            configuration_valid=census.wanted.removable,
            configuration_problems=tuple(
                f for f in report.left.findings if f.kind in {Kind.REFUSED, Kind.PROBLEM}
            ),
            checksum=census.wanted.checksum,
            finished=epoch,
        )


def _result_of(applied: Applied) -> str:
    """As metrics call it."""
    if applied.error is None:
        return "ok"
    return "error" if applied.error.trouble is Trouble.GONE else str(applied.error.trouble)


def _taken(steps: Iterable[Step], applied: Applied) -> Iterator[Step]:
    """The steps without the rules that were refused: these were never in force."""
    refused = {rule for rule, _ in applied.rejected}
    for step in steps:
        match step:
            case AddRule(_, rule) if rule in refused:
                continue
            case ReplaceChain(_, rules):
                yield replace(step, rules=tuple(rule for rule in rules if rule not in refused))
            case _:
                yield step


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
