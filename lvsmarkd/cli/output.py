"""What people read: findings, plans, tables. Colour only on a terminal."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any

from lvsmarkd.model.finding import Finding, Severity
from lvsmarkd.model.plan import Plan

_COLOURS = {Severity.CRITICAL: "31", Severity.WARNING: "33", Severity.NOTE: "36"}


def colourful() -> bool:
    """Whether to colour: on a terminal, and unless NO_COLOR asks not to."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text: str, colour: str) -> str:
    """The text in an ANSI colour, where colours are wanted."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colourful() else text


def print_json(form: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """One JSON document."""
    text = json.dumps(form, indent=2, ensure_ascii=False)
    print(text.encode(errors="replace").decode())


def print_findings(findings: Iterable[Finding]) -> None:
    """Each finding: severity, kind, service, where; the sentence; the detail."""
    for finding in findings:
        head = paint(f"{finding.severity}: {finding.kind}", _COLOURS[finding.severity])
        about = str(finding.service or finding.family or "")
        origins = ", ".join(map(str, finding.origins))
        print("  ".join(filter(None, [head, about, origins])))
        print(f"    {finding.message}")
        if finding.detail not in finding.message:
            print(indent(finding.detail, "    "))


def print_plan(plan: Plan, scripts: Mapping[str, str]) -> None:
    """The findings, then the changes as a diff, then what each program would be given."""
    print_findings(plan.findings)
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
    changes = f"{len(plan.steps)} change(s)" if plan.steps else "nothing to change"
    return f"{len(plan.findings)} finding(s), {changes}"
