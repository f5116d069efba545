"""``lvsmarkd plan``: findings and the exact changes."""

import argparse

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.exits import Exit
from lvsmarkd.cli.output import print_json, print_plan
from lvsmarkd.cli.session import open_session
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.report import Mode
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.telemetry.form import plan_form


def run(options: argparse.Namespace) -> Exit:
    """Look, judge, print; write nothing."""
    session = open_session(options)
    session.gather()
    backend = session.backend()
    reconciler = Reconciler(session.inputs, backend, single=True, surroundings=Surroundings())
    report = reconciler.run([Wake(Trigger.CONTROL)], lambda _settings: Mode.OBSERVE)
    if options.json:
        print_json({**plan_form(report.found), "scripts": backend.script(report.found)})
    else:
        print_plan(report.found, backend.script(report.found))
    return exit_of(report.found)


def exit_of(plan: Plan) -> Exit:
    """0 in sync, 2 drift, 1 where something that matters could not be read."""
    if any(f.kind is Kind.UNKNOWN and f.severity is not Severity.NOTE for f in plan.findings):
        return Exit.ERROR
    return Exit.OK if plan.in_sync else Exit.DRIFT
