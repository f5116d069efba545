"""Services that nobody declared: those that no rule marks, and those whose flows are inferred."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from lvsmarkd.judge.adviser import Adviser
from lvsmarkd.judge.coverage import held_up, waits
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.prospects import Prospects
from lvsmarkd.model.declaration import DeclaredName
from lvsmarkd.model.finding import Finding, Kind
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.rule_ref import RuleRef
from lvsmarkd.model.service import Family, FlowSource, ServiceKey


def undeclared(prospects: Prospects, adviser: Adviser) -> Iterator[Finding]:
    """What is to be said of each service that nobody declared."""
    desired, snapshot, now = prospects.desired, prospects.seen, prospects.now
    for key, service in desired.services.items():
        unread = snapshot.unread(key.family) is not None
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
                or waits(key, desired)
                or is_marked(key, now)
                or held_up(key, desired, snapshot)
            ):
                yield _uncovered(key, desired, now, adviser)
            case _:
                continue


def is_marked(key: ServiceKey, now: Outlook) -> bool:
    """Whether some packets come with the mark, or may; those that are lost with it are told by
    the rule that takes them.
    """
    return bool(now.unread.get(key.family) or now.services[key].parts)


def _overwritten(key: ServiceKey, now: Outlook) -> tuple[RuleRef, RuleRef] | None:
    """The rule that sets a mark that no packet keeps, and the one that undoes it."""
    for part in now.services[key].had_mark:
        steps = [step for step in part.fate.steps if step.before != step.after]
        for step, following in pairwise(steps):
            if step.after == key.mark:
                return step.rule, following.rule
    return None


def _uncovered(key: ServiceKey, desired: Desired, now: Outlook, adviser: Adviser) -> Finding:
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
