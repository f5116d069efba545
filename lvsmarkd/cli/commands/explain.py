"""``lvsmarkd explain``: which rules packets meet, and what mark comes out."""

import argparse
from typing import Any

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.explained import lines
from lvsmarkd.cli.output import print_json
from lvsmarkd.cli.session import names_files, open_session
from lvsmarkd.daemon import control
from lvsmarkd.declarations.question import Question, parse_question
from lvsmarkd.judge.explanation import explain
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.reconcile.paths import paths_from_environment
from lvsmarkd.telemetry.explanation_form import explanation_form

Form = dict[str, Any]


def run(options: argparse.Namespace) -> Exit:
    """Look, follow the packets, print; write nothing."""
    try:
        asked = parse_question(options.question)
    except RefusalError as refusal:
        raise CommandError(str(refusal)) from refusal
    forms = None if names_files(options) else _asked_of_daemon(options)
    if forms is None:
        forms = _answered_here(options, asked)
    if not forms:
        raise CommandError(f"keepalived uses no mark {asked}: see lvsmarkd marks")
    if options.json:
        print_json({"explanations": forms})
    else:
        print("\n".join(lines(forms)))
    return _exit(forms) if isinstance(asked, int) else Exit.OK


def _exit(forms: list[Form]) -> Exit:
    """2 where some packets of the service are lost, or may be."""
    fates = [[part["fate"] for flow in form["flows"] for part in flow["parts"]] for form in forms]
    whole = all(each and set(each) == {"right"} for each in fates)
    return Exit.OK if whole else Exit.DRIFT


def _asked_of_daemon(options: argparse.Namespace) -> list[Form] | None:
    """What the running daemon says; None where none runs."""
    request = {"command": "explain", "question": list(options.question)}
    try:
        answer = control.ask(paths_from_environment().socket, request)
    except control.NotRunningError:
        return None
    if "explanations" not in answer:
        raise CommandError(str(answer.get("error", "the daemon's answer was not understood")))
    found: list[Form] = answer["explanations"]
    return found


def _answered_here(options: argparse.Namespace, asked: Question) -> list[Form]:
    session = open_session(options)
    # What packets meet hangs on no file: only which service gets them does.
    inputs_now = session.gather() if isinstance(asked, int) else session.inputs.gather()
    seen = Surroundings().see(session.backend().read())
    wanted = inputs_now.desired(seen.limits, seen.host)
    return [explanation_form(each) for each in explain(asked, wanted, seen)]
