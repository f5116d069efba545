"""What the one-shot commands share: reading the files and the firewall once."""

import argparse
from dataclasses import dataclass

from lvsmarkd.cli.exits import CommandError
from lvsmarkd.daemon.inputs import Gathered, Inputs, Where
from lvsmarkd.daemon.places import Places, places_from_environment
from lvsmarkd.daemon.remembered import Remembered
from lvsmarkd.declarations.settings import ConfigError
from lvsmarkd.firewall.backend import Backend, FirewallError
from lvsmarkd.firewall.choose import choose
from lvsmarkd.model.keepalived import Fitness


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command over the operator's files."""

    inputs: Inputs
    places: Places
    backend_name: str

    def gather(self) -> Gathered:
        """Read keepalived.conf; one that cannot be read ends the command."""
        gathered = self.inputs.gather()
        if gathered.reading.fitness is Fitness.UNREADABLE:
            raise CommandError("; ".join(map(str, gathered.reading.problems)))
        return gathered

    def backend(self) -> Backend:
        """The firewall; one that is not there ends the command."""
        try:
            return choose(
                self.backend_name,
                state_directory=self.places.state,
                settings=self.inputs.loaded.settings.firewall,
            )
        except FirewallError as error:
            raise CommandError(str(error)) from error


def cannot_lock(places: Places, error: OSError) -> CommandError:
    """What to say where the lock cannot be made."""
    who = "; run this as root" if isinstance(error, PermissionError) else ""
    return CommandError(f"{places.lock} cannot be made: {error.strerror}{who}")


def open_session(options: argparse.Namespace) -> Session:
    """Read lvsmarkd.toml; one that cannot be followed ends the command."""
    where = Where(options.config, options.keepalived_conf, options.config_id, options.backend)
    try:
        inputs = Inputs.open(where)
    except ConfigError as error:
        raise CommandError("\n  ".join(map(str, error.problems))) from error
    name = where.backend or str(inputs.loaded.settings.firewall.backend)
    places = places_from_environment()
    inputs.remembered = Remembered(places.state / "keepalived.json")
    return Session(inputs, places, name)
