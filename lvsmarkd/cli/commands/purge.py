"""``lvsmarkd purge``: remove all that is ours and nothing else."""

import argparse

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import print_json
from lvsmarkd.cli.session import open_session
from lvsmarkd.daemon.form import plan_form
from lvsmarkd.daemon.places import LockedError, take_lock
from lvsmarkd.firewall.backend import FirewallError


def run(options: argparse.Namespace) -> Exit:
    """Take the lock, so that no daemon puts the rules back, and remove them."""
    session = open_session(options)
    try:
        take_lock(session.places.lock)
    except LockedError as error:
        raise CommandError(f"{error}; stop it first: systemctl stop lvsmarkd") from error
    except OSError as error:
        raise CommandError(f"{session.places.lock} cannot be made: {error.strerror}") from error
    try:
        done = session.backend().purge()
    except FirewallError as error:
        raise CommandError(str(error)) from error
    if options.json:
        print_json(plan_form(done))
    else:
        print(done if done.steps else "there is nothing of lvsmarkd to remove")
    return Exit.OK
