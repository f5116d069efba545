"""The judgement of one pass: findings and steps, from what must hold and what was seen."""

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from lvsmarkd.judge.beyond_rules import beyond_rules, lost_beyond_rules
from lvsmarkd.judge.claimants import known_claims
from lvsmarkd.judge.claims import overlaps
from lvsmarkd.judge.configuration_findings import configuration_findings
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.drift import History, judge_chain, shadowing_rules
from lvsmarkd.judge.foreign import (
    conflicts,
    marked_by_others,
    orphans,
    unaccepted,
)
from lvsmarkd.judge.foreseen import foreseen
from lvsmarkd.judge.notices import noticed
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.packet_findings import packet_findings
from lvsmarkd.judge.presence import presence
from lvsmarkd.judge.previous_backend import cleanup_of_previous, left_by_ended
from lvsmarkd.judge.rivals import uninvited, unmarked_vips
from lvsmarkd.judge.substitute import substitute
from lvsmarkd.judge.watched import Adviser, fleeting
from lvsmarkd.model.declaration import DeclaredName
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.model.unknown import Unknown

_NOTHING_KNOWN = History()


def judge(
    desired: Desired,
    snapshot: Snapshot,
    *,
    history: History = _NOTHING_KNOWN,
    outlooks: Outlooks | None = None,
) -> Plan:
    """All findings and the steps that mend what can be mended. See ``judge_chain``. ``outlooks``
    remember what was judged before.
    """
    outlooks = outlooks or Outlooks()
    now = _outlook_now(desired, snapshot, outlooks)
    adviser = Adviser(desired, snapshot, now)
    diffs = [
        judge_chain(chain_key, desired, snapshot, history=history)
        for chain_key in sorted(snapshot.chains)
    ]
    diffs += left_by_ended(desired, snapshot, history)
    cleanups = list(cleanup_of_previous(desired, snapshot, history))
    steps = [step for verdict in diffs for step in verdict.steps]
    drift = [finding for verdict in (*diffs, *cleanups) for finding in verdict.findings]
    missing = {
        finding.rule
        for finding in drift
        if finding.kind is Kind.MISSING
        and finding.plane is Plane.RUNTIME
        and isinstance(finding.rule, Rule)
    }
    findings: list[Finding] = [
        *_services(desired, snapshot, now, adviser),
        *drift,
        *conflicts(desired, snapshot),
        *_of_packets(desired, snapshot, now, outlooks, pending=bool(steps)),
        *beyond_rules(desired, snapshot, now),
        *orphans(desired, snapshot),
        *fleeting(desired, snapshot, adviser),
        *uninvited(desired),
        *unmarked_vips(desired, now),
        *presence(desired),
        *overlaps(
            desired.services.values(),
            (*desired.runtime_state.claims, *known_claims(snapshot.names)),
        ),
        *noticed(snapshot, missing),
        *_nowhere(desired, snapshot),
        *configuration_findings(desired),
    ]
    severities = list(Severity)
    findings.sort(key=lambda finding: severities.index(finding.severity))
    steps = steps or [step for verdict in cleanups for step in verdict.steps]
    return Plan(tuple(findings), tuple(steps))


def covered(
    desired: Desired, snapshot: Snapshot, outlooks: Outlooks | None = None
) -> dict[ServiceKey, bool | None]:
    """Whether each service's packets bear its mark now: by all of its own rules, which nobody
    overrules, or by foreign ones. None where it could not be seen. This is the SLI.
    """
    now = _outlook_now(desired, snapshot, outlooks or Outlooks())
    lost = {finding.service for finding in lost_beyond_rules(desired, snapshot, now)}
    state = _by_rules(desired, snapshot, now)
    return {key: False if key in lost and not _waits(key, desired) else state[key] for key in state}


def _by_rules(
    desired: Desired, snapshot: Snapshot, now: Outlook | None
) -> dict[ServiceKey, bool | None]:
    """As far as it depends on the rules."""
    if now is not None:
        return {key: _covered(key, desired, snapshot, now) for key in desired.services}
    state: dict[ServiceKey, bool | None] = {}
    present = {
        chain_key: frozenset(chain.rules)
        for chain_key, chain in snapshot.chains.items()
        if not isinstance(chain, Unknown)
    }
    wanted: dict[ServiceKey, set[Rule]] = {}
    for rule in desired.rules:
        if rule.hook is Hook.PREROUTING and rule.service is not None:
            wanted.setdefault(rule.service, set()).add(rule)
    overruled = {
        finding.service
        for finding in conflicts(desired, snapshot)
        if finding.severity is Severity.CRITICAL and finding.plane is Plane.RUNTIME
    }
    for key in desired.services:
        if snapshot.unreached_reason:
            state[key] = marked_by_others(key, snapshot)
            continue
        chain_key = ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)
        chain = snapshot.chains.get(chain_key)
        if not isinstance(chain, Chain) or _waits(key, desired):
            state[key] = None
        elif desired.coverage[key] is FlowSource.NONE:
            state[key] = marked_by_others(key, snapshot) or held_up(key, desired, snapshot)
        else:
            own = wanted.get(key, set())
            all_there = chain.jumps > 0 and own <= present[chain_key]
            marked = (
                all_there and key not in overruled and not _bypassed(key, own, desired, snapshot)
            ) or _substituted(own, chain_key, chain, snapshot)
            state[key] = marked and (key not in desired.short or held_up(key, desired, snapshot))
    return state


def _outlook_now(desired: Desired, snapshot: Snapshot, outlooks: Outlooks) -> Outlook | None:
    """What becomes of packets by the rules as they are; None where not all of these were read."""
    if not snapshot.is_complete:
        return None
    return outlooks.of(desired, snapshot.ruleset, snapshot.host)


def _covered(key: ServiceKey, desired: Desired, snapshot: Snapshot, now: Outlook) -> bool | None:
    if _waits(key, desired):
        return None
    known = now.covered(key)
    if known and key in desired.short:
        return held_up(key, desired, snapshot)
    return known


def _of_packets(
    desired: Desired, snapshot: Snapshot, now: Outlook | None, outlooks: Outlooks, *, pending: bool
) -> Iterator[Finding]:
    """By what becomes of packets once our rules are in force, where all rules were read."""
    if now is None:
        yield from unaccepted(desired, snapshot)
        return
    ahead = now
    if pending:
        ahead = outlooks.of(desired, foreseen(desired, snapshot), snapshot.host)
    yield from packet_findings(desired, snapshot, ahead)


def why_unknown(
    key: ServiceKey, desired: Desired, snapshot: Snapshot, outlooks: Outlooks | None = None
) -> str:
    """Why it is not known whether a service is covered, where ``covered`` says None for it."""
    match snapshot.chains.get(ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)):
        case Unknown(reason):
            return f"the rules that mark {key.family} packets could not be read: {reason}"
        case None:
            return f"no firewall was asked for the rules that mark {key.family} packets"
    if _waits(key, desired):
        return (
            "IPVS does not have it yet, and its packets may belong to another service until that"
            " has left IPVS"
        )
    now = _outlook_now(desired, snapshot, outlooks or Outlooks())
    return "" if now is None else now.why_unknown(key)


def _waits(key: ServiceKey, desired: Desired) -> bool:
    """Whether a service is not in IPVS yet, and waits for packets of one that has not left."""
    kernel = desired.runtime_state.kernel
    if kernel is None or in_ipvs(kernel, key) is not False:
        return key in desired.waiting and kernel is None
    return key in desired.waiting or any(map(desired.leaving, desired.services))


def _bypassed(key: ServiceKey, own: Iterable[Rule], desired: Desired, snapshot: Snapshot) -> bool:
    """Whether a foreign rule certainly keeps some flow of the service from its own rules."""
    chain_key = ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)
    return any(
        rule.matches_all_of(declared.flow)
        for rule in shadowing_rules(chain_key, snapshot, own)
        for declared in desired.flows[key]
    )


def _substituted(
    own: Collection[Rule], chain_key: ChainKey, chain: Chain, snapshot: Snapshot
) -> bool:
    """Whether foreign rules do what a service's own rules are to do."""
    there = chain.rules if chain.jumps else ()
    return bool(own) and all(substitute(rule, chain_key, snapshot.foreign, there) for rule in own)


def held_up(key: ServiceKey, desired: Desired, snapshot: Snapshot) -> bool:
    """Whether rules of an earlier declaration mark a service whose present one is refused, or
    went with it from its file while it is in use still.
    """
    if not (key.mark in desired.frozen_marks or desired.leaving(key)):
        return False
    where = (Plane.RUNTIME, key.family, Hook.PREROUTING)
    return any(
        rule.service == key and rule not in desired.rules
        # What a previous firewall still has marks packets too.
        for at, chain in snapshot.held.items()
        if (at.plane, at.family, at.hook) == where and isinstance(chain, Chain) and chain.jumps
        for rule in chain.rules
    )


def _services(
    desired: Desired, snapshot: Snapshot, now: Outlook | None, adviser: Adviser
) -> Iterator[Finding]:
    for key, service in desired.services.items():
        unread = isinstance(
            snapshot.chains.get(ChainKey(Plane.RUNTIME, key.family, Hook.PREROUTING)), Unknown
        )
        match desired.coverage[key]:
            case FlowSource.INFERRED:
                yield Finding(
                    Kind.INFERRED,
                    "its flows are a guess from VIPs and real servers' ports",
                    "check it and declare it",
                    service=key,
                    family=key.family,
                    origins=service.origins,
                    subject=desired.flows[key],
                    paste=adviser.advice(key).text,
                )
            case FlowSource.NONE if not (
                unread
                or _waits(key, desired)
                or _is_marked(key, snapshot, now)
                or held_up(key, desired, snapshot)
            ):
                yield _uncovered(key, desired, now, adviser)
            case _:
                continue


def _is_marked(key: ServiceKey, snapshot: Snapshot, now: Outlook | None) -> bool:
    """Whether some packets come with the mark, or may; those that are lost with it are told by
    the rule that takes them.
    """
    if now is None:
        return marked_by_others(key, snapshot)
    return bool(now.unread.get(key.family) or now.services[key].parts)


def _overwritten(key: ServiceKey, now: Outlook | None) -> tuple[RuleRef, RuleRef] | None:
    """The rule that sets a mark that no packet keeps, and the one that undoes it."""
    for part in now.services[key].had_mark if now is not None else ():
        steps = [step for step in part.fate.steps if step.before != step.after]
        for step, following in pairwise(steps):
            if step.after == key.mark:
                return step.rule, following.rule
    return None


def _uncovered(key: ServiceKey, desired: Desired, now: Outlook | None, adviser: Adviser) -> Finding:
    origins = desired.services[key].origins
    paste = ""
    undone = _overwritten(key, now)
    balanced = f"{_balancer(key, desired)} balances mark {key.mark}"
    if key.mark in desired.frozen_marks:
        refused = {str(p.origin): None for p in desired.problems if p.fatal and key.mark in p.marks}
        fact = (
            f"keepalived balances mark {key.mark} and no rule sets it, since its declaration is"
            " refused"
        )
        advice = f"correct it (see {', '.join(refused)})"
    elif desired.leaving(key) and not desired.removable:
        fact = (
            f"{balanced} and no rule sets it, and what keepalived.conf declares for it is not"
            " known, since it could not be read as a whole"
        )
        advice, origins = "mend that first", ()
    elif desired.leaving(key):
        fact = f"{balanced}, which keepalived.conf does not hold, and no rule sets it"
        advice, origins = "remove the service, or declare it in lvsmarkd.toml", ()
    elif names := desired.addressless.get(key):
        fact, advice = _addressless(key, names)
        origins = tuple(dict.fromkeys(each.origin for each in names))
    else:
        advised = adviser.advice(key)
        doubts = f" (in doubt: {'; '.join(advised.doubts)})" if advised.doubts else ""
        fact = f"keepalived balances mark {key.mark} and no rule sets it"
        if undone is not None:
            fact = (
                f"keepalived balances mark {key.mark} and no packet keeps it: a rule in"
                f" {undone[0].where} sets it (“{undone[0]}”), and one in {undone[1].where} takes it"
                f" away (“{undone[1]}”)"
            )
        advice = (
            "declare which packets it stands for, by a comment such as this one in its block of"
            " keepalived.conf, or in lvsmarkd.toml; addresses and ports are a guess, so check"
            f" them{doubts}"
        )
        if advised.reason:
            advice = (
                "declare which packets it stands for, in its block of keepalived.conf or in"
                f" lvsmarkd.toml; nothing can be suggested: {advised.reason}{doubts}"
            )
        paste = advised.text
    return Finding(
        Kind.UNCOVERED,
        fact,
        advice,
        service=key,
        family=key.family,
        origins=origins,
        paste=paste,
    )


def _addressless(key: ServiceKey, names: Iterable[DeclaredName]) -> tuple[str, str]:
    instances = list(dict.fromkeys(each.name for each in names))
    listed = " and ".join(instances)
    fact = (
        f"keepalived balances mark {key.mark} and no rule sets it, since keepalived has no"
        f" {key.family} address for {listed}, by which it is declared"
    )
    other = "IPv4" if key.family is Family.INET6 else "IPv6"
    advice = (
        f"give {instances[0]} one (in an instance of {other} it belongs into"
        " virtual_ipaddress_excluded), or declare the addresses themselves"
    )
    return fact, advice


def _balancer(key: ServiceKey, desired: Desired) -> str:
    kernel = desired.runtime_state.kernel
    loaded = kernel is not None and in_ipvs(kernel, key)
    return "IPVS" if loaded else "the running keepalived"


def _nowhere(desired: Desired, snapshot: Snapshot) -> Iterator[Finding]:
    """Rules for a place that the firewall at hand does not have."""
    hooks = {chain_key.hook for chain_key in snapshot.chains}
    wanted = any(rule.hook is Hook.OUTPUT for rule in desired.rules)
    if wanted and hooks and Hook.OUTPUT not in hooks:
        yield Finding(
            Kind.REFUSED,
            "firewall.local is set, and this firewall keeps no rules for the director's own"
            " packets",
            "unset it, or use the iptables backend",
            graded=Severity.WARNING,
            subject="firewall.local",
        )
