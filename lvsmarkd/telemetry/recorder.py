"""From the reports of passes to figures."""

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from lvsmarkd.model.finding import DRIFT, Kind, Severity
from lvsmarkd.model.plan import AddRule, EnsureJump, RemoveChain, RemoveRule, ReplaceChain, Step
from lvsmarkd.model.report import Cause, Mode, Report, Result
from lvsmarkd.model.rule import Hook, Plane, Rule
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.wake import Trigger
from lvsmarkd.telemetry import series as s
from lvsmarkd.telemetry.counters import Exposure, MarkedPackets
from lvsmarkd.telemetry.samples import Labels, SampleStore
from lvsmarkd.telemetry.series import Series
from lvsmarkd.telemetry.transition import Transition

_ACTIONS: dict[type[Step], str] = {
    AddRule: "add",
    RemoveRule: "remove",
    ReplaceChain: "rewrite",
    EnsureJump: "anchor",
    RemoveChain: "dissolve",
}
_UNMARKING = (AddRule, ReplaceChain, EnsureJump)
"""Steps that mend what left packets without their mark."""


class MetricsRecorder(Struct):
    """Writes into ``samples`` what each pass came to. Not thread-safe, like the samples."""

    samples: SampleStore
    exposure: Exposure = field(default_factory=Exposure)
    _packets: MarkedPackets = field(default_factory=MarkedPackets)

    def begin(self) -> None:
        """Set what is true before the first pass.

        Counters whose labels are known start at 0, so that their first increase is seen.
        """
        samples = self.samples
        for series in (s.DRIFT_SINCE, s.LAST_RUN, s.LAST_SUCCESS, s.FAILURES, s.FIGHT_ACTIVE):
            samples.put(series, 0)
        samples.add(s.FIGHTS, amount=0)
        for trigger in Trigger:
            for result in Result:
                samples.add(s.PASSES, trigger, result, amount=0)
            for kind in DRIFT:
                samples.add(s.DRIFT_DETECTED, str(kind), Plane.RUNTIME, trigger, amount=0)
        for action in _ACTIONS.values():
            for cause in Cause:
                for outcome in ("ok", "failed"):
                    samples.add(s.REPAIRS, action, Plane.RUNTIME, cause, outcome, amount=0)

    def record(self, transition: Transition, now: float) -> None:
        """Take in one pass; ``now`` is monotonic."""
        before, after = transition.before, transition.after
        self._pass(after)
        self._state(after)
        self._left(after)
        self._detected(transition)
        self._repairs(before, after)
        self._fights(before, after)
        self._guard(before, after)
        self._services(after)
        self._exposed(after, now)

    def _pass(self, report: Report) -> None:
        samples = self.samples
        samples.add(s.PASSES, report.trigger, report.result)
        samples.observe(s.PASS_DURATION, report.duration)
        samples.put(s.LAST_RUN, report.finished)
        if report.result is Result.ERROR:
            samples.add(s.FAILURES)
        else:
            samples.put(s.FAILURES, 0)
            samples.put(s.LAST_SUCCESS, report.finished)

    def _state(self, report: Report) -> None:
        samples = self.samples
        samples.replace(s.MODE, {(mode,): mode is report.mode for mode in Mode})
        samples.replace(s.BACKEND_INFO, {(report.backend, report.backend_version): 1})
        samples.put(s.KEEPALIVED_VALID, report.configuration_valid)
        samples.put(s.KEEPALIVED_PROBLEMS, len(report.configuration_problems))
        running = report.keepalived_runs
        samples.replace(s.KEEPALIVED_RUNNING, {} if running is None else {(): running})
        samples.put(s.CHECKSUM, report.checksum)
        for series, rules in ((s.DESIRED, report.rules_desired), (s.PRESENT, report.rules_present)):
            counts = ((family, plane, n) for plane in rules for family, n in rules[plane].items())
            samples.replace(series, {(family, plane): n for family, plane, n in counts})

    def _left(self, report: Report) -> None:
        """What is still wrong after the pass."""
        samples, left = self.samples, report.left.findings
        drift = Counter[Labels](
            (str(f.kind), f.family or "", f.plane) for f in left if f.kind in DRIFT
        )
        drifted: dict[Labels, float] = {
            (str(kind), family, Plane.RUNTIME): 0 for kind in DRIFT for family in Family
        }
        samples.replace(s.DRIFTED, drifted | drift)
        orphans = Counter(f.family for f in left if f.kind is Kind.ORPHAN)
        samples.replace(s.ORPHANS, {(family,): orphans[family] for family in Family})
        # A combination that was there once stays, at 0: absence says nothing in a graph.
        known = dict.fromkeys(samples.labels(s.FINDINGS), 0)
        samples.replace(s.FINDINGS, {**known, **Counter((str(f.kind), f.severity) for f in left)})
        if not drift:
            samples.put(s.DRIFT_SINCE, 0)
        elif not samples.value(s.DRIFT_SINCE):
            samples.put(s.DRIFT_SINCE, report.finished)

    def _detected(self, transition: Transition) -> None:
        trigger = transition.after.trigger
        for finding in transition.found:
            if finding.kind in DRIFT:
                self.samples.add(s.DRIFT_DETECTED, str(finding.kind), finding.plane, trigger)

    def _repairs(self, before: Report | None, after: Report) -> None:
        for repair in after.repairs:
            self._step(repair.step, repair.cause, "ok")
        # A report gives no cause for what failed. Where the same is wanted of the same firewall
        # as before, somebody must have undone it.
        same = before is not None and (before.checksum, before.backend) == (
            after.checksum,
            after.backend,
        )
        for step in _failed(before, after):
            self._step(step, Cause.DRIFT if same else Cause.CONFIG, "failed")
        if after.latency is not None:
            self.samples.observe(s.REPAIR_LATENCY, after.latency)

    def _step(self, step: Step, cause: Cause, outcome: str) -> None:
        self.samples.add(s.REPAIRS, _ACTIONS[type(step)], step.chain_key.plane_name, cause, outcome)

    def _fights(self, before: Report | None, after: Report) -> None:
        self.samples.put(s.FIGHT_ACTIVE, bool(after.fights))
        known = {owned for fight in before.fights for owned in fight.over} if before else set()
        new = sum(owned not in known for fight in after.fights for owned in fight.over)
        self.samples.add(s.FIGHTS, amount=new)

    def _guard(self, before: Report | None, after: Report) -> None:
        self.samples.put(s.GUARD, after.guard.in_force)
        known = before.guard.packets if before else {}
        for state in after.services:
            key = state.key
            more = after.guard.packets.get(key, 0) - known.get(key, 0)
            self.samples.add(s.GUARDED, str(key.mark), key.family, amount=max(0, more))

    def _services(self, report: Report) -> None:
        samples, services = self.samples, report.services
        marks = Counter(state.key.family for state in services)
        samples.replace(s.MARKS, {(family,): marks[family] for family in Family})
        # What is not known has no value: its last one may be false by now.
        _put_each(samples, s.COVERED, {state.key: state.covered for state in services})
        _put_each(samples, s.UNKNOWN, {state.key: state.covered is None for state in services})
        refused = {
            finding.service
            for finding in report.left.findings
            if finding.kind is Kind.UNACCEPTED and finding.severity is Severity.CRITICAL
        }
        judged = [state.key for state in services if state.covered is not None]
        _put_each(samples, s.REFUSED, {key: key in refused for key in judged})
        _put_each(samples, s.LOADED, {state.key: state.loaded for state in services})
        _put_each(samples, s.CONFIGURED, {state.key: state.configured for state in services})
        disturbed = frozenset(
            step.chain_key.family
            for step in report.found.steps
            if step.chain_key.hook is Hook.PREROUTING
        )
        self._packets.count(services, disturbed)
        packets: dict[Labels, float] = {
            (str(key.mark), key.family): n for key, n in self._packets.totals.items()
        }
        samples.replace(s.PACKETS, packets)

    def _exposed(self, report: Report, now: float) -> None:
        undone = any(
            repair.cause is Cause.DRIFT
            and isinstance(repair.step, _UNMARKING)
            and (repair.step.chain_key.plane, repair.step.chain_key.hook)
            == (Plane.RUNTIME, Hook.PREROUTING)
            for repair in report.repairs
        )
        if undone and report.latency is not None:
            self.exposure.add(report.latency)
        self.exposure.set(now, exposed=any(state.covered is False for state in report.services))


def _put_each(
    samples: SampleStore, series: Series, values: Mapping[ServiceKey, bool | None]
) -> None:
    """The values of a series that has the labels mark and family; None is none."""
    known: dict[Labels, float] = {
        (str(key.mark), key.family): value for key, value in values.items() if value is not None
    }
    samples.replace(series, known)


def _failed(before: Report | None, after: Report) -> Iterator[Step]:
    """The steps of a write that failed, or whose rule was refused just now."""
    if after.error:
        yield from after.left.steps
        return
    known = dict(before.rejected) if before else {}
    refused: set[Rule] = {rule for rule, _ in after.rejected if rule not in known}
    for step in after.left.steps:
        if isinstance(step, AddRule) and step.rule in refused:
            yield step
