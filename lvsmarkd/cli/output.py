"""What people read: findings, plans, tables. Colour only on a terminal."""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from textwrap import indent
from typing import Any

from lvsmarkd.model.finding import Severity
from lvsmarkd.model.plan import Plan
from lvsmarkd.telemetry.form import Form, finding_form
from lvsmarkd.telemetry.message import counted

_COLOURS = {str(Severity.CRITICAL): "31", str(Severity.WARNING): "33", str(Severity.NOTE): "36"}
SCHEMA = 1
"""Of the answers in JSON. It grows when a key goes or comes to mean something else; keys that come
leave it as it is."""
_PAINT = re.compile(r"\x1b\[\d*m")


def colourful() -> bool:
    """Whether to colour: on a terminal, and unless NO_COLOR asks not to."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text: str, colour: str) -> str:
    """The text in an ANSI colour, where colours are wanted."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colourful() else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, whose cells may have several; the first column is of numbers."""
    cells = [[cell.split("\n") for cell in row] for row in (head, *rows)]
    widths = [
        max(_width(line) for cell in column for line in cell) for column in zip(*cells, strict=True)
    ]
    for row in cells:
        for first, *others in zip_longest(*row, fillvalue=""):
            padded = (
                line + " " * (width - _width(line))
                for line, width in zip(others, widths[1:], strict=True)
            )
            yield "  ".join([first.rjust(widths[0]), *padded]).rstrip()


def _width(line: str) -> int:
    """Characters that are seen."""
    return len(_PAINT.sub("", line))


def print_json(form: Mapping[str, Any]) -> None:
    """One JSON document: an answer, with the number of its form."""
    text = json.dumps({"schema": SCHEMA, **form}, indent=2, ensure_ascii=False)
    print(text.encode(errors="replace").decode())


def print_findings(findings: Iterable[Form]) -> None:
    """Each finding, in the form that JSON has and the daemon answers with: severity, kind,
    service, where; the sentence; the rule and what to paste, unless the sentence quotes it.
    """
    for finding in findings:
        head = paint(f"{finding['severity']}: {finding['kind']}", _COLOURS[finding["severity"]])
        family = finding["family"] or ""
        about = family if finding["mark"] is None else f"fwmark {finding['mark']} {family}"
        print("  ".join(filter(None, [head, about, ", ".join(finding["origins"])])))
        print(f"    {finding['message']}")
        if finding["detail"] not in finding["message"]:
            print(indent(finding["detail"], "    "))


def print_plan(plan: Plan, scripts: Mapping[str, str]) -> None:
    """The findings, then the changes as a diff, then what each program would be given."""
    print_findings(map(finding_form, plan.findings))
    if plan.findings and plan.steps:
        print()
    for line in str(plan).splitlines():
        print(paint(line, {"+": "32", "-": "31"}.get(line[0], "36")))
    for program, script in scripts.items():
        print(f"\n{paint(f'# the exact changes, as given to {program}', '2')}\n{script}")
    print(paint(summary(plan), "1"))


def summary(plan: Plan) -> str:
    """One line: in sync, or how many findings and changes."""
    if plan.in_sync and not plan.findings:
        return "in sync"
    changes = counted(len(plan.steps), "change") if plan.steps else "nothing to change"
    return f"{counted(len(plan.findings), 'finding')}, {changes}"
