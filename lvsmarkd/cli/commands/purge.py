"""``lvsmarkd purge``: remove all that is ours and nothing else."""

import argparse
import sys

from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import print_json
from lvsmarkd.cli.session import cannot_lock, open_session
from lvsmarkd.daemon.form import plan_form
from lvsmarkd.daemon.places import LockedError, Places, places_from_environment, take_lock
from lvsmarkd.firewall.backend import Backend, FirewallError
from lvsmarkd.firewall.choose import choose


def run(options: argparse.Namespace) -> Exit:
    """Take the lock, so that no daemon puts the rules back, and remove them.

    The last resort asks little of lvsmarkd.toml: which backend, if it says so.
    """
    places = places_from_environment()
    try:
        take_lock(places.lock)
    except LockedError as error:
        raise CommandError(f"{error}; stop it first: systemctl stop lvsmarkd") from error
    except OSError as error:
        raise cannot_lock(places, error) from error
    try:
        done = _backend(options, places).purge()
    except FirewallError as error:
        raise CommandError(str(error)) from error
    if options.json:
        print_json(plan_form(done))
    else:
        print(done if done.steps else "there is nothing of lvsmarkd to remove")
    return Exit.OK


def _backend(options: argparse.Namespace, places: Places) -> Backend:
    name = options.backend
    if name is None:
        try:
            name = open_session(options).backend_name
        except CommandError as error:
            print(f"lvsmarkd: the settings are passed over: {error}", file=sys.stderr)
    return choose(name or "auto", state_directory=places.state)
