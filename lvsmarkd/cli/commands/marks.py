"""``lvsmarkd marks``: every service by mark, where it comes from, whether it is covered."""

import argparse
from typing import Any

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import paint, print_json
from lvsmarkd.cli.session import Session, open_session
from lvsmarkd.judge.desired import Coverage, Desired, Policy, desired
from lvsmarkd.judge.verdict import covered
from lvsmarkd.model.observed import Observed
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.service import ServiceKey

States = dict[ServiceKey, bool | None]


def run(options: argparse.Namespace) -> Exit:
    """Print the services; a firewall that cannot be read leaves `covered` unknown."""
    session = open_session(options)
    gathered = session.gather()
    firewall = session.inputs.loaded.settings.firewall
    policy = Policy(firewall.undeclared == "infer", firewall.vrrp_accept, firewall.local)
    wanted = desired(gathered.reading, gathered.declared, policy)
    states = covered(wanted, _observe(session))
    if options.json:
        print_json(
            {
                "services": [_form(key, wanted, states) for key in sorted(wanted.services)],
                "problems": [_problem_form(problem) for problem in wanted.problems],
            }
        )
    else:
        _print(wanted, states)
    return Exit.OK


def _observe(session: Session) -> Observed:
    try:
        return session.backend().observe()
    except CommandError:
        return Observed({})


def _form(key: ServiceKey, wanted: Desired, states: States) -> dict[str, Any]:
    service = wanted.services[key]
    suggestion = wanted.suggestions.get(key)
    return {
        "family": str(key.family),
        "mark": key.mark,
        "group": service.group,
        "origins": [str(origin) for origin in service.origins],
        "coverage": _coverage(key, wanted, states),
        "covered": states[key],
        "flows": [str(declared.flow) for declared in wanted.flows[key]],
        "suggestion": suggestion.text() if suggestion else None,
    }


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
    if coverage is not Coverage.NONE:
        return str(coverage)
    return "watched" if states[key] else "undeclared"


def _print(wanted: Desired, states: States) -> None:
    from tabulate import tabulate  # noqa: PLC0415 - only for people, and slow to import

    words = {True: paint("yes", "32"), False: paint("NO", "31"), None: "unknown"}
    rows = [
        (
            key.mark,
            key.family,
            words[states[key]],
            _coverage(key, wanted, states),
            "\n".join(str(declared.flow) for declared in wanted.flows[key]) or "-",
            "\n".join(map(str, wanted.services[key].origins)),
        )
        for key in sorted(wanted.services)
    ]
    if rows:
        print(tabulate(rows, ["mark", "family", "covered", "by", "flows", "where"], "plain"))
    else:
        print("keepalived uses no mark")
    for key, suggestion in wanted.suggestions.items():
        if not states[key]:
            print(f"\n{key}: declare its flows, perhaps so:\n    {suggestion.text()}")
            for doubt in suggestion.doubts:
                print(f"    in doubt: {doubt}")
    for problem in wanted.problems:
        print(f"\n{paint('problem', '33')}: {problem}")
