"""``lvsmarkd status``, and what ``pause`` and ``resume`` say: the running daemon's words."""

import argparse
from datetime import UTC, datetime
from typing import Any

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import paint, print_findings, print_json
from lvsmarkd.daemon import control
from lvsmarkd.reconcile.paths import paths_from_environment


def run(options: argparse.Namespace) -> Exit:
    """Ask and print."""
    return ask_and_print(options, {"command": "status"})


def ask_and_print(options: argparse.Namespace, request: dict[str, Any]) -> Exit:
    """Send one request to the daemon and print the status it answers with."""
    try:
        answer = control.ask(paths_from_environment().socket, request)
    except control.NotRunningError as error:
        raise CommandError(str(error)) from error
    if "result" not in answer:
        raise CommandError(str(answer.get("error", "the daemon's answer was not understood")))
    if options.json:
        print_json(answer)
    else:
        _print(answer)
    return exit_of_answer(answer)


def exit_of_answer(answer: dict[str, Any]) -> Exit:
    """0 in sync, 2 drift, 1 where the last pass failed."""
    if answer["error"]:
        return Exit.ERROR
    return Exit.OK if answer["in_sync"] else Exit.DRIFT


def _print(answer: dict[str, Any]) -> None:
    when = datetime.fromtimestamp(answer["finished"], UTC).astimezone()
    mode = answer["mode"] + _until(answer)
    print(f"{paint(answer['result'], '1')} · {mode} · {answer['backend']}")
    print(f"last pass {when:%F %T} ({answer['trigger']}, {answer['duration'] * 1000:.0f} ms)")
    print(f"reads {answer['source']}")
    if answer["error"]:
        print(f"error: {answer['error']}")
    for state in answer["services"]:
        word = {True: "covered", False: "UNCOVERED", None: "unknown"}[state["covered"]]
        seen = "" if state["packets"] is None else f", {state['packets']} packets marked"
        seen += ", not in IPVS" if state["loaded"] is False else ""
        seen += ", not in keepalived.conf" if not state["configured"] else ""
        print(f"  fwmark {state['mark']} {state['family']}: {word} ({state['coverage']}{seen})")
    for fight in answer["fights"]:
        by = ", ".join(fight["actors"]) or "an unknown program"
        print(f"  fight over “{fight['rule']}” with {by}: {fight['repairs']} repairs")
    print_findings(answer["findings"])


def held_back(answer: dict[str, Any]) -> str:
    """Why the daemon writes nothing now, and what to do; empty where it does."""
    match answer["mode"]:
        case "paused":
            return f"nothing is written: paused{_until(answer)}; lvsmarkd resume ends that"
        case "observe":
            return 'nothing is written: the mode is observe; set daemon.mode = "enforce"'
        case _:
            return ""


def _until(answer: dict[str, Any]) -> str:
    until = answer.get("paused_until")
    return f" until {datetime.fromtimestamp(until, UTC).astimezone():%F %T}" if until else ""
