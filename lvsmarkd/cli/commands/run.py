"""``lvsmarkd run``: the daemon."""

import argparse
import os
import sys

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.session import cannot_lock, open_session
from lvsmarkd.reconcile.paths import LockedError, take_lock
from lvsmarkd.telemetry.journal import under_journald
from lvsmarkd.telemetry.logs import log_to


def run(options: argparse.Namespace) -> Exit:
    """Take the lock, wire the daemon together, run it until it is stopped."""
    log_to(sys.stderr, journald=under_journald(os.environ, sys.stderr))
    session = open_session(options)
    try:
        take_lock(session.paths.lock)
    except LockedError as error:
        raise CommandError(f"{error}; two daemons would only undo each other") from error
    except OSError as error:
        raise cannot_lock(session.paths, error) from error
    from lvsmarkd.daemon import wiring  # noqa: PLC0415 - a second daemon needs none of it

    try:
        wiring.run(session.inputs, session.paths)
    except wiring.CannotGoOnError as error:
        raise CommandError(f"the daemon cannot go on: {error}") from error
    return Exit.OK
