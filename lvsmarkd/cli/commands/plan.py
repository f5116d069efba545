"""``lvsmarkd plan``: findings and the exact changes."""

import argparse

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import print_json, print_plan
from lvsmarkd.cli.session import open_session
from lvsmarkd.cli.verdict import exit_of, unread
from lvsmarkd.model.report import Mode
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.telemetry.form import plan_form


def run(options: argparse.Namespace) -> Exit:
    """Look, judge, print; write nothing."""
    session = open_session(options)
    session.gather()
    backend = session.backend()
    reconciler = Reconciler(session.inputs, backend, single=True, surroundings=Surroundings())
    report = reconciler.run([Wake(Trigger.CONTROL)], lambda _settings: Mode.OBSERVE)
    form = plan_form(report.found)
    error = report.error or unread(form["findings"])
    try:
        scripts = backend.script(report.found)
    except FirewallError as failure:
        raise CommandError(str(failure), form) from failure
    if options.json:
        print_json({**form, "scripts": scripts, **({"error": error} if error else {})})
    else:
        print_plan(report.found, scripts)
        if report.error:
            print(f"failed: {report.error}")
    return exit_of(error, in_sync=report.found.in_sync)
