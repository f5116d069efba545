"""What the operator wrote: lvsmarkd.toml, keepalived.conf, the annotations in it.

Both are read again only when something about their files changed. A lvsmarkd.toml that
cannot be followed leaves the last good one in force.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time, time_ns

from lvsmarkd.declarations import settings as lvsmarkd_toml
from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.declarations.settings import ConfigError, load, lookups_of
from lvsmarkd.declarations.tables import Undeclared
from lvsmarkd.judge.desired import Policy
from lvsmarkd.keepalived import changed_since, fingerprint, read
from lvsmarkd.keepalived.conf.context import Dialect
from lvsmarkd.keepalived.process.procfs import environment_of
from lvsmarkd.kernel.files import FileStamps, stamps_of
from lvsmarkd.model.declaration import Declaration, Declared
from lvsmarkd.model.keepalived import Completeness, Reading
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.origin import Origin, Problem
from lvsmarkd.model.running import RunningKeepalived, Version
from lvsmarkd.model.runtime_state import UNASKED, RuntimeState
from lvsmarkd.reconcile.remembered import Remembered
from lvsmarkd.reconcile.runtime_probe import RuntimeProbe, ipvs_is_here

_TICK = 20_000_000
"""Nanoseconds: longer than a tick of the clock with which file systems stamp."""
DEFAULT_CONFIG = Path("/etc/lvsmarkd/lvsmarkd.toml")
DEFAULT_KEEPALIVED = Path("/etc/keepalived/keepalived.conf")


@dataclass(frozen=True, slots=True)
class InputPaths:
    """The files to read; ``None`` leaves the choice to the settings and the defaults."""

    config: Path | None = None
    keepalived: Path | None = None
    config_id: str | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is written now, and what is around it.

    ``refused`` says why a newer lvsmarkd.toml is not in force. ``version`` is that of the
    keepalived as which the file was read; None where none could be asked.
    """

    reading: Reading
    declared: Declared
    refused: tuple[Problem, ...] = ()
    runtime_state: RuntimeState = UNASKED
    version: Version | None = None

    @property
    def source(self) -> str:
        """What was read, and for which keepalived, in words."""
        file = self.reading.files[0] if self.reading.files else "nothing"
        running = self.runtime_state.running
        if not isinstance(running, RunningKeepalived):
            return file
        version = f" {'.'.join(map(str, running.version))}" if running.version else ""
        by_id = f", config id {running.config_id}" if running.config_id else ""
        return f"{file}, of keepalived{version} (pid {running.pid}{by_id})"


@dataclass(slots=True)
class InputReader:
    """Reads the operator's files; keeps what was last good.

    ``on_reload`` hears of each reading of lvsmarkd.toml: whether it is in force, and when.
    """

    where: InputPaths
    loaded: lvsmarkd_toml.Loaded
    on_reload: Callable[[bool, float], None] = lambda _good, _at: None
    runtime_probe: RuntimeProbe = field(default_factory=RuntimeProbe)
    remembered: Remembered = field(default_factory=Remembered)
    _runtime_state: RuntimeState = UNASKED
    _read_as: object = None
    _refused: tuple[Problem, ...] = ()
    _stamps: FileStamps = field(default_factory=dict)
    _reading: Reading | None = None
    _fingerprint: object = None
    _inputs: Inputs | None = None

    @classmethod
    def open(cls, where: InputPaths) -> "InputReader":
        """Read lvsmarkd.toml for the first time.

        Raises ConfigError if it cannot be followed: a daemon that starts on a guess may do
        what its operator forbade.
        """
        path = where.config or DEFAULT_CONFIG
        # Before they are read, as in reload().
        before = stamps_of([str(path)], lookups_of(path))
        loaded = load(path, required=where.config is not None)
        inputs = cls(where, loaded)
        now = stamps_of(loaded.files, loaded.lookups)
        inputs._stamps = {file: before.get(file) for file in now}
        return inputs

    def reload(self) -> bool:
        """Read lvsmarkd.toml again; tells whether it is in force now.

        A file that was there and is gone, or is empty, is taken for one that is being
        written: the last good one stays.
        """
        path = self.config
        # Before they are read: what changes meanwhile differs from this.
        before = stamps_of(self.loaded.files, self.loaded.lookups)
        self._stamps = before
        try:
            vanished = [f for f in self.loaded.files if _is_empty(Path(f))]
            loaded = load(path, required=str(path) in self.loaded.files)
        except ConfigError as error:
            self._refused = error.problems
        else:
            self._refused = tuple(_emptied(file) for file in vanished)
            if not vanished:
                self.loaded = loaded
                now = stamps_of(loaded.files, loaded.lookups)
                self._stamps = {file: before.get(file) for file in now}
        self._inputs = None
        self.on_reload(not self._refused, time())
        return not self._refused

    def gather(self) -> Inputs:
        """What is written now. Never raises for bad input."""
        if stamps_of(self.loaded.files, self.loaded.lookups) != self._stamps:
            self.reload()
        self._runtime_state = self._look()
        version = self.runtime_probe.version(self._runtime_state.running)
        reading = self._read(Dialect.of(version))
        runtime_state = self._runtime_state
        if reading.namespace is not None and runtime_state.kernel is not None:
            runtime_state = replace(runtime_state, ipvs_here=ipvs_is_here(reading.namespace.name))
        known = self._inputs
        if known is not None and known.reading is reading and known.runtime_state == runtime_state:
            return known
        declared = self._declared(reading)
        self._inputs = Inputs(reading, declared, self._refused, runtime_state, version)
        return self._inputs

    def expire(self) -> None:
        """Have everything read again by the next pass, whatever the files' stamps say."""
        self._stamps = {}
        self._fingerprint = None

    def files(self) -> tuple[str, ...]:
        """All files that matter: a change of one is a reason to look."""
        read = self._reading.files if self._reading else (str(self.keepalived_conf),)
        return tuple(dict.fromkeys((*self.loaded.files, str(self.config), *read)))

    def lookups(self) -> tuple[str, ...]:
        """The patterns of files that would matter."""
        return self.loaded.lookups + (self._reading.lookups if self._reading else ())

    def policy(self, limits: Limits) -> Policy:
        """The operator's choices, and what the firewall at hand can say."""
        firewall = self.loaded.settings.firewall
        return Policy(
            infer=firewall.undeclared is Undeclared.INFER,
            vrrp_accept=firewall.vrrp_accept,
            local=firewall.local,
            limits=limits,
        )

    @property
    def config(self) -> Path:
        """The lvsmarkd.toml to read."""
        return self.where.config or DEFAULT_CONFIG

    @property
    def keepalived_conf(self) -> Path:
        """The keepalived.conf to read."""
        return self._named() or self._started_with() or DEFAULT_KEEPALIVED

    def _named(self) -> Path | None:
        """The file that the operator names, on the command line or in the settings."""
        configured = self.loaded.settings.keepalived.config
        return self.where.keepalived or (Path(configured) if configured else None)

    def _started_with(self) -> Path | None:
        """The file of the running keepalived, or of the one that ran last."""
        running = self._runtime_state.running
        if isinstance(running, RunningKeepalived):
            return Path(running.config) if running.config else None
        last = self.remembered.last().config
        return Path(last) if last and Path(last).exists() else None

    def _look(self) -> RuntimeState:
        """A file that is named on the command line is read alone: no process, no IPVS."""
        if self.where.keepalived is not None:
            return UNASKED
        runtime_state = self.runtime_probe.look(self._named())
        running = runtime_state.running
        if isinstance(running, RunningKeepalived) and not (running.elsewhere or running.contained):
            self.remembered.take(running)
        return runtime_state

    def _read(self, dialect: Dialect) -> Reading:
        path = self.keepalived_conf
        running = self._runtime_state.running
        config_id = self.where.config_id or self.loaded.settings.keepalived.config_id
        environment = None
        if isinstance(running, RunningKeepalived):
            config_id = config_id or running.config_id
            environment = environment_of(Path(f"/proc/{running.pid}"))
        elif self.where.keepalived is None:
            config_id = config_id or self.remembered.last().config_id
        known, read_as = self._reading, (path, config_id, dialect, environment)
        if (
            known is not None
            and known.completeness is not Completeness.UNREADABLE
            and read_as == self._read_as
            and fingerprint(known) == self._fingerprint
        ):
            return known
        began = time_ns() - _TICK
        self._reading = read(path, config_id, dialect=dialect, environment=environment)
        self._read_as, self._fingerprint = read_as, fingerprint(self._reading)
        if changed_since(self._reading, began):
            # It may have changed behind the place that was just read: the next pass reads anew.
            self._fingerprint = None
        return self._reading

    def _declared(self, reading: Reading) -> Declared:
        declarations: list[Declaration] = list(self.loaded.declarations)
        problems: list[Problem] = list(self.loaded.refused)
        for annotation in reading.annotations:
            parsed = parse(annotation)
            if isinstance(parsed, Problem):
                problems.append(parsed)
            else:
                declarations += parsed
        # A reading that is not whole does not tell all services that there are.
        whole = reading.completeness is Completeness.WHOLE
        # One that left it gives up its packets when it is gone (judge.desired), not here.
        used = {service.key for service in reading.services} if whole else None
        resolved = resolve(tuple(declarations), reading.instances, used)
        return replace(resolved, problems=(*problems, *resolved.problems))


_BLANK_AT_MOST = 4096


def _is_empty(path: Path) -> bool:
    """Whether a file says nothing at all; one of comments only is meant so."""
    try:
        if path.stat().st_size > _BLANK_AT_MOST:
            return False
        return not path.read_bytes().strip()
    except OSError:
        return False


def _emptied(file: str) -> Problem:
    return Problem(
        Origin(file),
        "the file is empty now, as if it were being written; to mean it, restart lvsmarkd",
    )
