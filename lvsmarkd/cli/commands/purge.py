"""``lvsmarkd purge``: remove all that is ours and nothing else."""

import argparse
import sys

from lvsmarkd.backends.choose import choose
from lvsmarkd.backends.firewalld.planes.files import kept_for_good
from lvsmarkd.cli.exits import CommandError, Exit
from lvsmarkd.cli.output import print_json
from lvsmarkd.cli.session import cannot_lock, open_session
from lvsmarkd.declarations.tables import BackendChoice
from lvsmarkd.model.firewall import Program
from lvsmarkd.model.guard import GUARD_IN_RULES
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.reconcile.paths import LockedError, paths_from_environment, take_lock
from lvsmarkd.telemetry.form import plan_form


def run(options: argparse.Namespace) -> Exit:
    """Take the lock, so that no daemon puts the rules back, and remove them.

    The last resort asks little of lvsmarkd.toml: which backend, if it says so.
    """
    paths = paths_from_environment()
    try:
        take_lock(paths.lock)
    except LockedError as error:
        raise CommandError(f"{error}; stop it first: systemctl stop lvsmarkd") from error
    except OSError as error:
        raise cannot_lock(paths, error) from error
    name = _name(options)
    guard, left = _remove_guard()
    try:
        backend = choose(name, state_directory=paths.state)
        by_firewalld = backend.read().firewall.program is Program.FIREWALLD
        done = backend.purge()
    except FirewallError as error:
        kept = _kept(name)
        raise CommandError("; ".join(filter(None, (str(error), kept, left)))) from error
    kept = "; ".join(filter(None, ("" if by_firewalld else _kept(name), left)))
    if not options.json:
        if guard:
            print(f"- table {GUARD_IN_RULES}, the guard")
        if done.steps or not (guard or left):
            print(done if done.steps else "there is nothing of lvsmarkd to remove")
    if kept:
        raise CommandError(kept, plan_form(done))
    if options.json:
        print_json(plan_form(done))
    return Exit.OK


def _remove_guard() -> tuple[bool, str]:
    """Remove the guard's table, which a daemon that was killed may have left. Whether there was
    one, and why it is there still, which keeps no rule of the firewall's.
    """
    from lvsmarkd.backends.guard.guard import Guard, GuardUnavailableError  # noqa: PLC0415 - seldom

    try:
        return Guard().purge(), ""
    except GuardUnavailableError as error:
        return False, f"the guard is left: {error}"


def _kept(name: str) -> str:
    """What a firewalld that does not run keeps for good, where it was asked to forget it, too."""
    return "" if name == BackendChoice.IPTABLES else kept_for_good()


def _name(options: argparse.Namespace) -> str:
    if options.backend is not None:
        return str(options.backend)
    try:
        return open_session(options).backend_name
    except CommandError as error:
        print(f"lvsmarkd: the settings are passed over: {error}", file=sys.stderr)
    return str(BackendChoice.AUTO)
