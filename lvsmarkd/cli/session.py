"""What the one-shot commands share: reading the files and the firewall once."""

import argparse

from msgspec import Struct

from lvsmarkd.backends.backend import CommandBackend
from lvsmarkd.backends.choose import choose
from lvsmarkd.cli.exits import CommandError
from lvsmarkd.declarations.settings import ConfigError
from lvsmarkd.model.keepalived import Completeness
from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.reconcile.inputs import InputPaths, InputReader, Inputs
from lvsmarkd.reconcile.last_good import LastGood
from lvsmarkd.reconcile.paths import DaemonPaths, paths_from_environment
from lvsmarkd.reconcile.remembered import Remembered


class Session(Struct, frozen=True):
    """One run of a command over the operator's files."""

    inputs: InputReader
    paths: DaemonPaths
    backend_name: str

    def gather(self) -> Inputs:
        """Read keepalived.conf; one that cannot be read ends the command."""
        inputs_now = self.inputs.gather()
        if inputs_now.reading.completeness is Completeness.UNREADABLE:
            raise CommandError("; ".join(map(str, inputs_now.reading.problems)))
        return inputs_now

    def backend(self) -> CommandBackend:
        """The firewall; one that is not there ends the command."""
        try:
            return choose(
                self.backend_name,
                state_directory=self.paths.state,
                settings=self.inputs.settings.firewall,
            )
        except FirewallError as error:
            raise CommandError(str(error)) from error


def names_files(options: argparse.Namespace) -> bool:
    """Whether the command is about files or a firewall that its options name: else a daemon that
    runs knows better.
    """
    named = (options.config, options.keepalived_conf, options.config_id, options.backend)
    return any(each is not None for each in named)


def cannot_lock(paths: DaemonPaths, error: OSError) -> CommandError:
    """What to say where the lock cannot be made."""
    who = "; run this as root" if isinstance(error, PermissionError) else ""
    return CommandError(f"{paths.lock} cannot be made: {error.strerror}{who}")


def open_session(options: argparse.Namespace) -> Session:
    """Read lvsmarkd.toml; one that cannot be followed ends the command."""
    where = InputPaths(options.config, options.keepalived_conf, options.config_id, options.backend)
    try:
        inputs = InputReader.open(where)
    except ConfigError as error:
        raise CommandError("\n  ".join(map(str, error.problems))) from error
    name = where.backend or str(inputs.settings.firewall.backend)
    paths = paths_from_environment()
    inputs.remembered = Remembered(paths.state / "keepalived.json")
    if where.keepalived is None:  # else it is a file that nobody uses yet
        inputs.last_good = LastGood(paths.state / "last-good.json", reads=True)
    return Session(inputs, paths, name)
