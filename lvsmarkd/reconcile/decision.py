"""The pure part of a pass: what is to be done, and what became of it. No I/O, no clock.

``decide`` takes the state that the last pass left and what was seen now, and gives the steps to
carry out and the next state; ``conclude`` takes what the firewall made of the steps and what is
there then.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.backends.backend import Applied
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.notices import awaiting_reload
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.refusals import refused_settings, rejected_rules
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.plan import AddRule, Plan, ReplaceChain, Step, owned_by
from lvsmarkd.model.report import Cause, Mode, Repair
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.wake import Actor
from lvsmarkd.reconcile.state import State


class Facts(Struct, frozen=True):
    """What holds during a pass."""

    wanted: Desired
    seen: Snapshot
    now: float
    """When the pass began, in monotonic seconds."""
    mode: Mode = Mode.ENFORCE
    linger: float = 0.0
    """Seconds for which a rule that serves nothing stays."""
    refused: tuple[Problem, ...] = ()
    """Why a newer lvsmarkd.toml is not in force."""
    outlooks: Outlooks = field(default_factory=Outlooks)
    """What was judged before of packets."""


class Decision(Struct, frozen=True):
    """What was found, and what is to be done about it now."""

    found: Plan
    """All findings, and all steps that would mend them."""
    steps: tuple[Step, ...]
    """Those that may be carried out now: none where the mode forbids to write, nor for what is
    fought over or was refused a moment ago."""
    state: State


class Conclusion(Struct, frozen=True):
    """What is left after the steps of a pass, and which of them hold."""

    left: Plan
    repairs: tuple[Repair, ...]
    state: State


def decide(state: State, facts: Facts) -> Decision:
    """What is to be done, by what was seen and what is known from before."""
    state = state.looked(facts.wanted, facts.seen, facts.now)
    found = _judged(state, facts)
    steps = state.allowed(found.steps, facts.now) if facts.mode is Mode.ENFORCE else ()
    return Decision(found, tuple(steps), state)


def conclude(
    decision: Decision, facts: Facts, applied: Applied, after: Snapshot, actors: tuple[Actor, ...]
) -> Conclusion:
    """What became of the steps, by what the firewall said and by what is there ``after`` them.

    ``actors`` are those who changed a firewall since the pass before.
    """
    state, now, whole = decision.state, facts.now, applied.error is None
    taken = tuple(_taken(decision.steps, applied))
    tried = [Repair(step, state.cause(step, facts.wanted)) for step in taken]
    state = state.tried(decision.steps, applied.rejected, now, whole=whole)
    state = state.looked(facts.wanted, after, now)
    left = _judged(state, replace(facts, seen=after))
    if after.firewall != facts.seen.firewall:
        return Conclusion(left, (), state)  # it is not seen what became of the steps
    undone = {owned_by(step)[0] for step in left.steps}
    for repair in tried:
        # Drift is counted even where it does not hold: somebody may undo it before we look. But
        # where not the whole could be written, what does not hold may never have been.
        holds = owned_by(repair.step)[0] not in undone
        if repair.cause is Cause.DRIFT and (whole or holds):
            state = state.repaired(owned_by(repair.step), now, actors)
    repairs = tuple(repair for repair in tried if owned_by(repair.step)[0] not in undone)
    return Conclusion(left, repairs, state)


def _judged(state: State, facts: Facts) -> Plan:
    plan = judge(
        facts.wanted,
        facts.seen,
        history=state.history(facts.now, facts.linger),
        outlooks=facts.outlooks,
    )
    # What waits for a reload is told with what is missing: that it was refused says no more.
    awaited = awaiting_reload(facts.seen)
    rejected = [each for each in state.rejected() if each[0] not in awaited]
    ours = (*refused_settings(facts.refused), *rejected_rules(rejected))
    return replace(plan, findings=(*ours, *plan.findings)) if ours else plan


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
