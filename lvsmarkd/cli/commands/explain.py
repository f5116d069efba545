"""``lvsmarkd explain``: which rules packets meet, and what mark comes out."""

import argparse
from collections.abc import Iterator
from typing import Any

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import paint, print_json
from lvsmarkd.cli.session import names_files, open_session
from lvsmarkd.daemon import control
from lvsmarkd.declarations.question import Question, parse_question
from lvsmarkd.judge.explanation import explain
from lvsmarkd.model.refusal import RefusalError
from lvsmarkd.reconcile.paths import paths_from_environment
from lvsmarkd.telemetry.explanation_form import explanation_form

Form = dict[str, Any]
_COLOURS = {"right": "32", "unknown": "33"}
_LOST = "31"


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
        print("\n".join(_lines(forms)))
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
    inputs_now = session.gather()
    seen = Surroundings().see(session.backend().read())
    wanted = inputs_now.desired(seen.limits)
    return [explanation_form(each) for each in explain(asked, wanted, seen)]


def _lines(forms: list[Form]) -> Iterator[str]:
    for number, form in enumerate(forms):
        if number:
            yield ""
        if form["mark"] is not None:
            title = f"fwmark {form['mark']} {form['family']}"
            yield "  ".join([paint(title, "1"), *form["origins"]])
        for remark in form["remarks"]:
            yield f"  {paint('note', '36')}: {remark}"
        for reason in form["unread"]:
            yield f"  {paint('not looked into', '33')}: {reason}; all below is without it"
        for flow in form["flows"]:
            yield from _flow(flow)


def _flow(flow: Form) -> Iterator[str]:
    declared = f"  (declared at {flow['declared']})" if flow["declared"] else ""
    yield f"  {paint(flow['packets'], '1')} from {flow['from']}{declared}"
    if not flow["parts"]:
        yield "    no packet comes by such an interface: there is none, or it is down"
    for part in flow["parts"]:
        if part["packets"] != flow["packets"]:
            yield f"    {part['packets']}"
        rows = [(_where(step["rule"]), _mark(step)) for step in part["steps"]]
        width = max((len(where) for where, _ in rows), default=0)
        for (where, mark), step in zip(rows, part["steps"], strict=True):
            yield f"      {where:<{width}}  {mark:<14} {_text(step['rule'])}".rstrip()
        yield f"      {_end(part)}"


def _where(rule: Form) -> str:
    line = f" rule {rule['line']}" if rule["line"] else ", policy"
    return f"{rule['table']} {rule['chain']}{line}"


def _text(rule: Form) -> str:
    return rule["text"] or ("" if rule["line"] else "what no rule of the chain decides about")


def _mark(step: Form) -> str:
    before, after = (_number(step[key]) for key in ("before", "after"))
    return f"mark {after}" if before == after else f"mark {before} → {after}"


def _number(mark: int | None) -> str:
    return "?" if mark is None else str(mark)


def _end(part: Form) -> str:
    fate = part["fate"]
    match fate:
        case "dropped":
            said = "dropped there: IPVS does not see it"
        case "elsewhere":
            said = "sent elsewhere there: IPVS does not see it"
        case "unknown":
            hidden = part["hidden_by"]
            by = f", at {_where(hidden)} {_text(hidden)}" if hidden else ""
            said = f"not known: {part['reason']}{by}"
        case _:
            said = _arrived(part)
    more = "; who sends too much is refused" if part["limited"] else ""
    return paint(f"→ {said}{more}", _COLOURS.get(fate, _LOST))


def _arrived(part: Form) -> str:
    if part["serves"] is not None:
        return f"comes to IPVS with mark {part['mark']}: that service"
    if part["mark"]:
        return f"comes to IPVS with mark {part['mark']}, which no service of its family has"
    return "comes to IPVS without a mark: no service by mark gets it"
