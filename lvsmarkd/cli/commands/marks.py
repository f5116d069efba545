"""``lvsmarkd marks``: every service by mark, where it comes from, whether it is covered."""

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import paint, print_findings, print_json, table
from lvsmarkd.cli.session import Session, open_session
from lvsmarkd.judge.adviser import Adviser
from lvsmarkd.judge.coverage import covered, why_unknown
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlooks import Outlooks
from lvsmarkd.judge.presence import presence
from lvsmarkd.judge.refusals import STAYS
from lvsmarkd.keepalived.conf.dialect import REFERENCE
from lvsmarkd.model.finding import Severity
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family, FlowSource, ServiceKey
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.reconcile.inputs import Inputs
from lvsmarkd.telemetry.form import finding_form
from lvsmarkd.telemetry.message import listed

States = dict[ServiceKey, bool | None]


def run(options: argparse.Namespace) -> Exit:
    """Print the services; a firewall that cannot be read leaves `covered` unknown."""
    session = open_session(options)
    inputs_now = session.gather()
    seen = _seen(session)
    wanted = inputs_now.desired(seen.limits, seen.host)
    outlooks = Outlooks()
    states = covered(wanted, seen, outlooks)
    reasons = {
        key: why_unknown(key, wanted, seen, outlooks)
        for key, state in states.items()
        if state is None
    }
    adviser = Adviser(wanted, seen, outlooks.of(wanted, seen.ruleset, seen.host))
    if options.json:
        print_json(
            {
                "services": [
                    {**_form(key, states, adviser), "unknown_because": reasons.get(key)}
                    for key in sorted(wanted.services)
                ],
                "problems": [_problem_form(problem) for problem in _sorted(wanted.problems)],
                "keepalived": _reader_form(inputs_now),
            }
        )
    else:
        _print(states, reasons, adviser)
        if inputs_now.build is None:
            print(f"\nread as keepalived {REFERENCE.dotted} would: no keepalived could be asked")
    return Exit.OK


def _reader_form(inputs_now: Inputs) -> dict[str, Any]:
    return {
        "version": (inputs_now.build or REFERENCE).dotted,
        "assumed": inputs_now.build is None,
        "source": inputs_now.source,
        "files": list(inputs_now.reading.files),
    }


def _seen(session: Session) -> Snapshot:
    try:
        return Surroundings().see(session.backend().read())
    except CommandError as error:
        unread = Unknown(str(error))
        return Snapshot(
            {ChainKey(Plane.RUNTIME, family, Hook.PREROUTING): unread for family in Family}
        )


def _form(key: ServiceKey, states: States, adviser: Adviser) -> dict[str, Any]:
    wanted = adviser.desired
    advised = adviser.advice(key)
    service = wanted.services[key]
    return {
        "family": str(key.family),
        "mark": key.mark,
        "group": service.group,
        "origins": [str(origin) for origin in service.origins],
        "coverage": _coverage(key, wanted, states),
        "covered": states[key],
        "configured": key in wanted.configured,
        "loaded": _loaded(key, wanted),
        "flows": [str(declared.flow) for declared in wanted.flows[key]],
        "suggestion": advised.text or None,
        "no_suggestion_because": advised.reason or None,
        "doubts": list(advised.doubts),
    }


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    """Those first on which all else depends, and last those that cost nothing."""
    return sorted(problems, key=lambda problem: (not problem.fatal, problem.note))


def _problem_form(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.origin.file,
        "line": problem.origin.line,
        "key": problem.origin.key,
        "marks": list(problem.marks),
        "message": problem.message,
    }


def _coverage(key: ServiceKey, wanted: Desired, states: States) -> str:
    coverage = wanted.coverage[key]
    if coverage is not FlowSource.NONE:
        return str(coverage)
    if states[key] and (key.mark in wanted.frozen_marks or wanted.leaving(key)):
        return "kept"  # by rules of an earlier declaration
    return "watched" if states[key] else "undeclared"


def _loaded(key: ServiceKey, wanted: Desired) -> bool | None:
    return (
        None if wanted.runtime_state.kernel is None else in_ipvs(wanted.runtime_state.kernel, key)
    )


def _flow_source(key: ServiceKey, wanted: Desired, states: States) -> str:
    """Where its flows come from, in words."""
    match _coverage(key, wanted, states):
        case "undeclared":
            return "refused declaration" if _refusals(key, wanted) else "nobody declared it"
        case "kept":
            return "earlier declaration"
        case source:
            return source


def _refusals(key: ServiceKey, wanted: Desired) -> list[Problem]:
    """Why the declarations of a service are refused."""
    return [each for each in wanted.problems if each.fatal and key.mark in each.marks]


def _flows(key: ServiceKey, adviser: Adviser) -> str:
    """What its rules mark; for a service that nobody declared, those of others."""
    wanted = adviser.desired
    lines = [str(declared.flow) for declared in wanted.flows[key]]
    if wanted.coverage[key] is FlowSource.NONE:
        others = adviser.watched(key)
        lines += map(str, others.flows)
        lines += [others.reason] if others.reason else []
    return "\n".join(lines) or "-"


def _print(states: States, reasons: Mapping[ServiceKey, str], adviser: Adviser) -> None:
    wanted = adviser.desired
    words = {True: paint("yes", "32"), False: paint("NO", "31"), None: "unknown"}
    loaded = {True: "yes", False: "no", None: "-"}
    rows = [
        (
            str(key.mark),
            str(key.family),
            words[states[key]],
            loaded[_loaded(key, wanted)],
            _flow_source(key, wanted, states),
            _flows(key, adviser),
            "\n".join(map(str, wanted.services[key].origins)) or "not configured",
        )
        for key in sorted(wanted.services)
    ]
    if rows:
        head = ["mark", "family", "covered", "in IPVS", "by", "flows", "where"]
        print(*table(head, rows), sep="\n")
    else:
        print("keepalived uses no mark")
    alike: dict[str, list[ServiceKey]] = {}
    for key in sorted(reasons):
        alike.setdefault(reasons[key], []).append(key)
    for reason, keys in alike.items():
        print(f"\n{listed(map(str, keys))}: not known whether covered: {reason}")
    _print_suggestions(states, adviser)
    for finding in presence(wanted):
        if finding.severity is not Severity.NOTE:
            print()
            print_findings([finding_form(finding)])
    for problem in _sorted(wanted.problems):
        # One of a declaration that is refused: for which marks, and what that means.
        marks = f" (fwmark {', '.join(map(str, problem.marks))})" if problem.marks else ""
        stays = f"\n    the declaration is refused; {STAYS}" if problem.fatal and marks else ""
        print(f"\n{paint('problem', '33')}{marks}: {problem}{stays}")


def _print_suggestions(states: States, adviser: Adviser) -> None:
    for key in adviser.desired.suggestions:
        if not states[key]:
            advised = adviser.advice(key)
            if advised.text:
                said = advised.text.replace("\n", "\n    ")
                print(f"\n{key}: declare its flows, perhaps so:\n    {said}")
            else:
                print(f"\n{key}: declare its flows; nothing can be suggested: {advised.reason}")
            for doubt in advised.doubts:
                print(f"    in doubt: {doubt}")
