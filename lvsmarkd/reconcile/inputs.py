"""What the operator wrote, and what runs here: the inputs of a pass."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.declarations.settings import Loaded, Settings
from lvsmarkd.declarations.tables import Undeclared
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.keepalived.process.procfs import environment_of
from lvsmarkd.model.declaration import Declaration, Declared
from lvsmarkd.model.host import UNKNOWN_HOST, HostView
from lvsmarkd.model.keepalived import Annotation, Completeness, Reading
from lvsmarkd.model.limits import Limits
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.running import Build, Running, RunningKeepalived
from lvsmarkd.model.runtime_state import UNASKED, RuntimeState
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.reconcile.keepalived_conf import KeepalivedConf, ReadAs
from lvsmarkd.reconcile.last_good import LastGood
from lvsmarkd.reconcile.remembered import Remembered
from lvsmarkd.reconcile.runtime_probe import RuntimeProbe, ipvs_is_here
from lvsmarkd.reconcile.settings_file import SettingsFile

DEFAULT_KEEPALIVED = Path("/etc/keepalived/keepalived.conf")


class InputPaths(Struct, frozen=True):
    """The files to read; ``None`` leaves the choice to the settings and the defaults."""

    config: Path | None = None
    keepalived: Path | None = None
    config_id: str | None = None
    backend: str | None = None


class Inputs(Struct, frozen=True):
    """What is written now, and what is around it: all that a pass knows of both."""

    reading: Reading
    declared: Declared
    settings: Settings = field(default_factory=Settings)
    refused: tuple[Problem, ...] = ()
    """Why a newer lvsmarkd.toml is not in force."""
    runtime_state: RuntimeState = UNASKED
    build: Build | None = None
    """The keepalived as which the file was read; None where none could be asked."""
    last_good: "Inputs | None" = None
    """The last good state of the file, from before this process, where the file has none now."""

    def policy(self, limits: Limits) -> Options:
        """The operator's choices, and what the firewall at hand can say."""
        firewall = self.settings.firewall
        return Options(
            infer=firewall.undeclared is Undeclared.INFER,
            vrrp_accept=firewall.vrrp_accept,
            local=firewall.local,
            limits=limits,
        )

    def desired(
        self, limits: Limits, host: HostView = UNKNOWN_HOST, before: Desired | None = None
    ) -> Desired:
        """What must hold, in a firewall with these limits, on this host. ``before`` is what the
        last pass wanted: where something cannot be followed now, it stays. Where there was no pass
        yet, that is what is remembered.
        """
        policy = self.policy(limits)
        if before is None and self.last_good is not None:
            remembered = self.last_good.desired(limits, host)
            before = _still_meant(remembered, self.reading, self.declared)
        return desired(self.reading, self.declared, policy, before, self.runtime_state, host=host)

    @property
    def source(self) -> str:
        """What was read, and for which keepalived, in words."""
        file = self.reading.files[0] if self.reading.files else "nothing"
        running = self.runtime_state.running
        if not isinstance(running, RunningKeepalived):
            return file
        version = f" {running.build.dotted}" if running.build else ""
        by_id = f", config id {running.config_id}" if running.config_id else ""
        return f"{file}, of keepalived{version} (pid {running.pid}{by_id})"


class InputReader(Struct):
    """Gathers the inputs of each pass, and keeps what was last good.

    It belongs to the thread of the passes. Between two passes the event loop's thread may ask
    for ``settings``, ``files`` and ``lookups``; whatever else it wants changed is a wake-up, and
    the pass that follows does it (``expire`` for SIGHUP).
    """

    where: InputPaths
    settings_file: SettingsFile
    runtime_probe: RuntimeProbe = field(default_factory=RuntimeProbe)
    remembered: Remembered = field(default_factory=Remembered)
    last_good: LastGood = field(default_factory=LastGood)
    _keepalived_conf: KeepalivedConf = field(default_factory=KeepalivedConf)
    _running: Running | None = None
    _inputs: Inputs | None = None

    @classmethod
    def open(cls, where: InputPaths) -> "InputReader":
        """Read lvsmarkd.toml for the first time. Raises ConfigError if it cannot be followed."""
        return cls(where, SettingsFile.open(where.config))

    def gather(self) -> Inputs:
        """What is written now. Never raises for bad input."""
        reloaded = self.settings_file.refresh()
        runtime_state = self._look()
        self._running = runtime_state.running
        build = self.runtime_probe.build(self._running)
        read_as = self._read_as(Dialect.of(build))
        reading = self._keepalived_conf.read(read_as)
        if reading.namespace is not None and runtime_state.kernel is not None:
            runtime_state = replace(runtime_state, ipvs_here=ipvs_is_here(reading.namespace.name))
        known = self._inputs
        if (
            known is not None
            and not reloaded
            and known.reading is reading
            and known.runtime_state == runtime_state
        ):
            self.last_good.write()
            return known
        declared = _declared(self.settings_file.loaded, reading)
        refused = self.settings_file.refused
        last_good = self._remember(reading, declared, read_as)
        self._inputs = Inputs(
            reading, declared, self.settings, refused, runtime_state, build, last_good
        )
        return self._inputs

    def _remember(self, reading: Reading, declared: Declared, read_as: ReadAs) -> Inputs | None:
        """Keep what is good, beyond a boot too; what is kept, where this is not good."""
        known = self.last_good.of(read_as.path, read_as.config_id)
        if reading.completeness is Completeness.WHOLE:
            refused = [problem for problem in declared.problems if problem.fatal]
            good = _with_annotations_of(known, reading, refused) if refused else reading
            self.last_good.take(good, read_as.path, read_as.config_id)
            if not refused:
                return None
        if known is None:
            return None
        return Inputs(known, _declared(self.settings_file.loaded, known), self.settings)

    def expire(self) -> None:
        """Have everything read again by the next ``gather``, whatever the files' stamps say."""
        self.settings_file.expire()
        self._keepalived_conf.expire()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.settings_file.settings

    def files(self) -> tuple[str, ...]:
        """All files that matter: a change of one is a reason to look."""
        last = self._keepalived_conf.last
        read = last.files if last else (str(self.keepalived_conf),)
        return tuple(dict.fromkeys((*self.settings_file.files, *read)))

    def lookups(self) -> tuple[str, ...]:
        """The patterns of files that would matter."""
        last = self._keepalived_conf.last
        return self.settings_file.loaded.lookups + (last.lookups if last else ())

    @property
    def keepalived_conf(self) -> Path:
        """The keepalived.conf to read."""
        return self._named() or self._started_with() or DEFAULT_KEEPALIVED

    def _named(self) -> Path | None:
        """The file that the operator names, on the command line or in the settings."""
        configured = self.settings.keepalived.config
        return self.where.keepalived or (Path(configured) if configured else None)

    def _started_with(self) -> Path | None:
        """The file of the running keepalived, or of the one that ran last."""
        if isinstance(self._running, RunningKeepalived):
            return Path(self._running.config) if self._running.config else None
        last = self.remembered.last().config
        return Path(last) if last and _may_be_there(last) else None

    def _look(self) -> RuntimeState:
        """A file that is named on the command line is read alone: no process, no IPVS. Policy
        routing is the host's, whatever file is read.
        """
        if self.where.keepalived is not None:
            return self.runtime_probe.look_at_host()
        runtime_state = self.runtime_probe.look(self._named())
        running = runtime_state.running
        if isinstance(running, RunningKeepalived) and not (running.elsewhere or running.contained):
            self.remembered.take(running)
        return runtime_state

    def _read_as(self, dialect: Dialect) -> ReadAs:
        """Which keepalived.conf, and as which keepalived reads it."""
        config_id = self.where.config_id or self.settings.keepalived.config_id
        environment = None
        if isinstance(self._running, RunningKeepalived):
            config_id = config_id or self._running.config_id
            environment = environment_of(Path(f"/proc/{self._running.pid}"))
        elif self.where.keepalived is None:
            config_id = config_id or self.remembered.last().config_id
        return ReadAs(self.keepalived_conf, config_id, dialect, environment)


def _may_be_there(path: str) -> bool:
    """Whether a file is there, for all we know: it may be where we may not look."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def _with_annotations_of(
    known: Reading | None, reading: Reading, refused: Iterable[Problem]
) -> Reading:
    """A reading with what was known before of the marks whose declarations are refused."""
    marks = {mark for problem in refused for mark in problem.marks}
    places = {problem.origin for problem in refused}
    before = known.annotations if known is not None else ()
    kept = tuple(each for each in before if marks & _marks_of(each))
    left = tuple(each for each in reading.annotations if each.origin not in places)
    return replace(reading, annotations=(*left, *(each for each in kept if each not in left)))


def _marks_of(annotation: Annotation) -> set[int]:
    parsed = parse(annotation)
    return set() if isinstance(parsed, Problem) else {each.mark for each in parsed}


def _still_meant(remembered: Desired, reading: Reading, declared: Declared) -> Desired:
    """What is remembered, as far as the file of now says nothing else: where it is whole, only
    what is refused in it; where not, no service whose packets it declares to be another's.
    """
    now = {service.key for service in reading.services}
    if reading.completeness is Completeness.WHOLE:
        marks = {mark for p in declared.problems if p.fatal for mark in p.marks}
        meant = {key for key in remembered.services if key.mark in marks or key in now}
    else:
        taken = [(key, own.flow) for key, flows in declared.flows.items() for own in flows]
        meant = {
            key for key in remembered.services if key in now or not _rivals(key, remembered, taken)
        }
    return replace(
        remembered,
        services={key: each for key, each in remembered.services.items() if key in meant},
        flows={key: each for key, each in remembered.flows.items() if key in meant},
        coverage={key: each for key, each in remembered.coverage.items() if key in meant},
        configured=remembered.configured & meant,
    )


def _rivals(key: ServiceKey, remembered: Desired, taken: list[tuple[ServiceKey, Packets]]) -> bool:
    return any(
        other != key and other.family is key.family and own.flow.overlaps(flow)
        for own in remembered.flows[key]
        for other, flow in taken
    )


def _declared(loaded: Loaded, reading: Reading) -> Declared:
    """The flows of each service, by lvsmarkd.toml and by the annotations in keepalived.conf."""
    declarations: list[Declaration] = list(loaded.declarations)
    problems: list[Problem] = list(loaded.refused)
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
