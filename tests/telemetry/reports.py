"""Reports as passes make them, in few words."""

from msgspec.structs import replace

from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.plan import AddRule, Plan
from lvsmarkd.model.report import Cause, Mode, Repair, Report, Result, ServiceState
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.service import Family
from lvsmarkd.model.wake import Actor, Trigger
from lvsmarkd.telemetry.transition import Transition, transition
from tests.harness.values import declare, flow, key, want

VANDAL = Actor(4711, "iptables-nft", "iptables-nft -t mangle -F")
MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
QUIET = Report(
    Trigger.TIMER,
    Result.IN_SYNC,
    Mode.ENFORCE,
    "iptables-nft",
    "1.8.9",
    Plan(),
    Plan(),
    finished=1000.0,
    duration=0.004,
)


def between(before: Report | None, after: Report) -> Transition:
    """From one report to the next."""
    return transition(Transition(None, before) if before else None, after)


def rule(mark: int) -> Rule:
    """The rule of a service that is one flow."""
    [one] = want(declare(mark, flow("192.0.2.10", mark))).rules
    return one


def missing(mark: int) -> Finding:
    """Found where that rule is not there."""
    own = rule(mark)
    return Finding(
        Kind.MISSING,
        f"the rule “{own}” is not there",
        "it is to be added",
        service=own.service,
        family=Family.INET,
        chain=MARKS,
        rule=own,
    )


def state(mark: int, *, covered: bool | None = True, packets: int | None = None) -> ServiceState:
    return ServiceState(key(mark), covered, "declared", packets, loaded=True)


def undone(*marks: int, latency: float = 0.012) -> Report:
    """A pass that put back the rules of these marks."""
    steps = tuple(AddRule(MARKS, rule(mark)) for mark in marks)
    return replace(
        QUIET,
        trigger=Trigger.NETLINK,
        result=Result.REPAIRED,
        found=Plan(tuple(map(missing, marks)), steps),
        repairs=tuple(Repair(step, Cause.DRIFT) for step in steps),
        services=tuple(map(state, marks)),
        actors=(VANDAL,),
        latency=latency,
    )


def drifting(*marks: int, mode: Mode = Mode.OBSERVE) -> Report:
    """A pass that found the rules of these marks missing and left them so."""
    steps = tuple(AddRule(MARKS, rule(mark)) for mark in marks)
    plan = Plan(tuple(map(missing, marks)), steps)
    services = tuple(state(mark, covered=False) for mark in marks)
    return replace(QUIET, mode=mode, result=Result.DRIFT, found=plan, left=plan, services=services)


def unread(family: Family = Family.INET) -> Finding:
    return Finding(
        Kind.UNKNOWN,
        f"the {family} mark runtime rules could not be read, so nothing is changed there: busy",
        family=family,
    )


def finding(kind: Kind, fact: str, advice: str = "", mark: int | None = None) -> Finding:
    service = None if mark is None else key(mark)
    return Finding(kind, fact, advice, graded=Severity.WARNING, service=service, family=Family.INET)


def left(*findings: Finding) -> Report:
    plan = Plan(findings)
    unread = frozenset((f.plane, f.family) for f in findings if f.kind is Kind.UNKNOWN and f.family)
    return replace(QUIET, result=Result.DRIFT, found=plan, left=plan, unread=unread)
