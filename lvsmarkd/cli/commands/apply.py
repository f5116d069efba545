"""``lvsmarkd apply``: one pass, by the running daemon if there is one."""

import argparse
import os
import sys
from typing import Any

from lvsmarkd.backends.surroundings import Surroundings
from lvsmarkd.cli.commands.status import held_back, result_of, with_error
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import print_findings, print_json, summary
from lvsmarkd.cli.session import Session, cannot_lock, open_session
from lvsmarkd.cli.verdict import exit_of
from lvsmarkd.daemon import control
from lvsmarkd.model.plan import Plan
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.paths import LockedError, take_lock
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.telemetry.form import report_form
from lvsmarkd.telemetry.journal import under_journald
from lvsmarkd.telemetry.logs import log_to
from lvsmarkd.telemetry.message import counted


def run(options: argparse.Namespace) -> Exit:
    """Take the lock and make one pass, or have the daemon make it."""
    log_to(sys.stderr, journald=under_journald(os.environ, sys.stderr))
    session = open_session(options)
    try:
        take_lock(session.paths.lock)
    except LockedError as error:
        return _by_daemon(session, options, error)
    except OSError as error:
        raise cannot_lock(session.paths, error) from error
    session.gather()
    reconciler = Reconciler(
        session.inputs, session.backend(), single=True, surroundings=Surroundings()
    )
    report = reconciler.run([Wake(Trigger.CONTROL)], lambda settings: settings.daemon.mode)
    form = with_error(report_form(report))
    if options.json:
        print_json(form)
    else:
        if reason := held_back(form):
            print(reason)
        if report.repairs:
            print(Plan(steps=tuple(repair.step for repair in report.repairs)))
        print_findings(form["findings"])
        done = f"{counted(len(report.repairs), 'change')} made; " if report.repairs else ""
        print(f"failed: {report.error}" if report.error else done + summary(report.left))
    return exit_of(form["error"], in_sync=form["in_sync"])


def _by_daemon(session: Session, options: argparse.Namespace, locked: LockedError) -> Exit:
    if options.config or options.keepalived_conf or options.config_id or options.backend:
        raise CommandError(f"{locked}; it applies its own settings: leave out the options")
    try:
        answer: dict[str, Any] = control.ask(session.paths.socket, {"command": "apply"})
    except control.NotRunningError as error:
        raise CommandError(f"{locked}, and does not answer: {error}") from error
    if "error" in answer and "result" not in answer:
        raise CommandError(str(answer["error"]))
    answer = with_error(answer)
    if options.json:
        print_json(answer)
    else:
        print(f"the running daemon made a pass: {result_of(answer)}")
        if answer["error"]:
            print(f"error: {answer['error']}")
        if reason := held_back(answer):
            print(reason)
        for repair in answer["repairs"]:
            print(repair["text"])
        print_findings(answer["findings"])
    return exit_of(answer["error"], in_sync=answer["in_sync"])
