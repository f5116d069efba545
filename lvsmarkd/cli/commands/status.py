"""``lvsmarkd status``, and what ``pause`` and ``resume`` say: the running daemon's words."""

import argparse
from datetime import UTC, datetime
from typing import Any

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import paint, print_findings, print_json
from lvsmarkd.cli.verdict import exit_of, unread
from lvsmarkd.daemon import control
from lvsmarkd.model.report import Result
from lvsmarkd.model.service import FlowSource
from lvsmarkd.reconcile.paths import paths_from_environment
from lvsmarkd.telemetry.message import who

_RESULTS = {
    str(Result.IN_SYNC): "in sync",
    str(Result.REPAIRED): "repaired",
    str(Result.DRIFT): "not in sync",
    str(Result.SUPPRESSED): "not in sync: the firewall refused a rule, which is tried again later",
    str(Result.ERROR): "the last pass failed",
}


def run(options: argparse.Namespace) -> Exit:
    """Ask and print."""
    answer = ask_and_print(options, {"command": "status"})
    return exit_of(answer["error"], in_sync=answer["in_sync"])


def ask_and_print(options: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the daemon; print the status it answers with, and give it."""
    try:
        answer = control.ask(paths_from_environment().socket, request)
    except control.NotRunningError as error:
        raise CommandError(str(error)) from error
    if "result" not in answer:
        raise CommandError(str(answer.get("error", "the daemon's answer was not understood")))
    answer = with_error(answer)
    if options.json:
        print_json(answer)
    else:
        _print(answer)
    return answer


def with_error(answer: dict[str, Any]) -> dict[str, Any]:
    """The same, whose ``error`` says what could not be read, too."""
    return {**answer, "error": answer["error"] or unread(answer["findings"])}


def result_of(answer: dict[str, Any]) -> str:
    """How the last pass ended, in words."""
    return _RESULTS.get(answer["result"], str(answer["result"]))


def _print(answer: dict[str, Any]) -> None:
    mode = answer["mode"] + _until(answer)
    print(f"{paint(result_of(answer), '1')} · {mode} · {answer['backend']}")
    duration = f"{answer['duration'] * 1000:.0f} ms"
    print(f"last pass {_time(answer['finished'])} ({answer['trigger']}, {duration})")
    print(f"reads {answer['source']}")
    if answer["error"]:
        print(f"error: {answer['error']}")
    if not answer["in_sync"] and (reason := held_back(answer)):
        print(reason)
    for state in answer["services"]:
        print(f"  {_service(state)}")
    if (guard := guard_line(answer)) is not None:
        print(f"  {guard}")
    for fight in answer["fights"]:
        print(f"  {fight_line(fight)}")
    print_findings(answer["findings"])


def _service(state: dict[str, Any]) -> str:
    word = {True: "covered", False: "UNCOVERED", None: "unknown whether covered"}[state["covered"]]
    if state.get("guarded"):
        word += " by the guard alone"
    said = [_flow_source(state)]
    if state["packets"] is not None:
        said.append(f"{state['packets']} packets marked")
    if state["loaded"] is False:
        said.append("not in IPVS")
    if not state["configured"]:
        said.append("not in keepalived.conf")
    because = state.get("unknown_because")  # a daemon from before an upgrade has no such word
    why = f": {because}" if because else ""
    return f"fwmark {state['mark']} {state['family']}: {word} ({', '.join(said)}){why}"


def guard_line(answer: dict[str, Any]) -> str | None:
    """What the guard does, or why there is none; None where none is wanted."""
    guard = answer.get("guard") or {}  # a daemon from before an upgrade has none
    if guard.get("reason"):
        return f"no guard: {guard['reason']}"
    if not guard.get("in_force"):
        return None
    packets = sum(each["packets"] for each in guard["packets"])
    lasting = "" if guard["lasts"] else ", while lvsmarkd runs or is restarted"
    return f"guard: in force{lasting}; {packets:,} packets marked that no rule had marked"


def fight_line(fight: dict[str, Any]) -> str:
    """Who undoes what, and what is done about it."""
    return (
        f"{who(fight['actors'])} undoes “{fight['rule']}” again and again ({fight['repairs']}"
        " repairs): it is put back each time; make one of the two stop"
    )


def _flow_source(state: dict[str, Any]) -> str:
    """Where its flows come from, in words."""
    if state["coverage"] != str(FlowSource.NONE):
        return str(state["coverage"])
    return "not declared, marked by rules of others" if state["covered"] else "not declared"


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
    return f" until {_time(until)}" if until else ""


def _time(epoch: float) -> str:
    return f"{datetime.fromtimestamp(epoch, UTC).astimezone():%F %T}"
