"""What lvsmarkd.toml may hold: each table, each key, and what is expected of its value."""

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, TypeVar, cast

from msgspec import Meta, Struct, defstruct, field

from lvsmarkd.declarations import values
from lvsmarkd.declarations.listening import LISTEN, listening
from lvsmarkd.declarations.port_ranges import ENTRY, entry
from lvsmarkd.model.qualifiers import Qualifier, kinds
from lvsmarkd.model.refusal import RefusalError, either, nearest
from lvsmarkd.model.report import Mode

T = TypeVar("T")
DAY = 86_400


def _checked(expected: str, check: Callable[[str], T]) -> Meta:
    """A text that must pass ``check``, which raises RefusalError."""

    def checked(found: object) -> object:
        if not isinstance(found, str):
            raise RefusalError(found, expected)
        return check(found)

    return Meta(description=expected, extra={"check": checked})


def one_of(*choices: str) -> Meta:
    """One of these texts."""

    def check(found: str) -> str:
        if found not in choices:
            near = nearest(found, choices)
            raise RefusalError(found, either(choices), f'did you mean "{near}"?' if near else "")
        return found

    return _checked(either(choices), check)


def _filled(expected: str) -> Meta:
    def check(found: str) -> str:
        if not found or not found.isprintable():
            raise RefusalError(found, expected)
        return found

    return _checked(expected, check)


def _absolute(found: str) -> str:
    if not found.startswith("/") or not found.isprintable():
        raise RefusalError(found, "the absolute path of a file")
    return found


Flag = Annotated[bool, Meta(description="true or false")]
Name = Annotated[str, _filled("a name")]


class Undeclared(StrEnum):
    """What to do for a service without a declaration."""

    REPORT = "report"
    INFER = "infer"


class BackendChoice(StrEnum):
    """The firewall to write to."""

    AUTO = "auto"
    IPTABLES = "iptables"
    FIREWALLD = "firewalld"
    NFTABLES = "nftables"


class JumpPosition(StrEnum):
    """Where in its chain the jump to ours stands."""

    FIRST = "first"
    LAST = "last"


class Placement(StrEnum):
    """Where firewalld keeps the rules."""

    POLICY = "policy"
    ZONE = "zone"


class Reload(StrEnum):
    """When lvsmarkd may reload firewalld.

    A reload drops every new connection for about 0.1 s (0.4 s with 1,000 rules, measured), and
    takes away whatever is in force and not permanent.
    """

    NEVER = "never"
    WHEN_SAFE = "when-safe"
    """Where something needs it, and nobody loses anything by it but that moment."""
    WHEN_NEEDED = "when-needed"
    """Where something needs it."""


class Keepalived(Struct, frozen=True):
    """``[keepalived]``; None leaves the choice to the running keepalived, or its defaults."""

    config: Annotated[str | None, _checked("the absolute path of a file", _absolute)] = None
    config_id: Annotated[str | None, _filled("keepalived's config-id")] = None


class Iptables(Struct, frozen=True):
    """``[firewall.iptables]``."""

    position: Annotated[JumpPosition, one_of(*JumpPosition)] = JumpPosition.FIRST


class Firewalld(Struct, frozen=True):
    """``[firewall.firewalld]``."""

    placement: Annotated[Placement, one_of(*Placement)] = Placement.POLICY
    zones: Annotated[tuple[Name, ...], Meta(description='a list of zones as ["public"]')] = ()
    reload: Annotated[Reload, one_of(*Reload)] = Reload.WHEN_SAFE


def _guard(found: object) -> object:
    expected = '"auto" or false'
    if found is not False and found != "auto":
        raise RefusalError(found, expected, "a guard is there where the kernel can have it")
    return found


class Firewall(Struct, frozen=True):
    """``[firewall]``."""

    backend: Annotated[BackendChoice, one_of(*BackendChoice)] = BackendChoice.AUTO
    undeclared: Annotated[Undeclared, one_of(*Undeclared)] = Undeclared.REPORT
    vrrp_accept: Flag = True
    local: Flag = False
    guard: Annotated[str | bool, Meta(description='"auto" or false', extra={"check": _guard})] = (
        "auto"
    )
    iptables: Iptables = Iptables()
    firewalld: Firewalld = Firewalld()

    @property
    def wants_guard(self) -> bool:
        """Whether to have a guard where the kernel can."""
        return self.guard is not False


class Daemon(Struct, frozen=True):
    """``[daemon]``. ``linger_seconds``: how long rules of a service that left stay.
    ``cpu_percent``: of one core, for passes.
    """

    mode: Annotated[Mode, one_of(Mode.ENFORCE, Mode.OBSERVE)] = Mode.ENFORCE
    resync_seconds: Annotated[
        float, Meta(ge=1, le=DAY, description=f"a number of seconds from 1 to {DAY}")
    ] = 60.0
    linger_seconds: Annotated[
        float, Meta(ge=0, le=DAY, description=f"a number of seconds from 0 to {DAY}")
    ] = 5.0
    cpu_percent: Annotated[
        float, Meta(ge=1, le=100, description="a number of percent from 1 to 100")
    ] = 5.0


class MetricsTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[metrics]``, as written."""

    listen: Annotated[
        list[Annotated[str, _checked(LISTEN, listening)]], Meta(description=f"a list of {LISTEN}")
    ] = field(default_factory=lambda: ["127.0.0.1:10965"])


_Target = Annotated[str, _checked(values.TARGET, values.target)]


class MarkTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[mark]]``, as written, without its qualifiers."""

    fwmark: Annotated[int, Meta(description=values.MARK, extra={"check": values.mark})]
    to: Annotated[
        _Target | Annotated[list[_Target], Meta(min_length=1, description="at least one target")],
        Meta(description=values.TARGET),
    ]
    ports: Annotated[
        list[Annotated[str, _checked(ENTRY, entry)]],
        Meta(min_length=1, description='a list as ["tcp/80"], or no `ports` for every protocol'),
    ] = []
    accept: Flag = False


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file, without the ``[[mark]]`` tables."""

    keepalived: Keepalived = Keepalived()
    firewall: Firewall = Firewall()
    daemon: Daemon = Daemon()
    metrics: MetricsTable = MetricsTable()


def document() -> type[Document]:
    """A whole file: ``Document`` with ``mark``, a list of ``mark_table()``."""
    return _document(kinds())


def mark_table() -> type[MarkTable]:
    """``[[mark]]`` as written: ``MarkTable`` with each qualifier under its key, not there as
    None or an empty list.
    """
    return _mark_table(kinds())


@cache
def _document(known: tuple[type[Qualifier], ...]) -> type[Document]:
    tables = _annotated(
        GenericAlias(list, (_mark_table(known),)), Meta(description="[[mark]] tables")
    )
    return _extended(Document, [("mark", tables, [])])


@cache
def _mark_table(known: tuple[type[Qualifier], ...]) -> type[MarkTable]:
    return _extended(MarkTable, [_field(kind) for kind in reversed(known)])


def _field(kind: type[Qualifier]) -> tuple[str, Any, object]:
    one = _annotated(str, _checked(kind.expected, kind.checked))
    if kind.listed:
        return kind.key(), one | GenericAlias(list, (one,)), []
    return kind.key(), _annotated(str | None, _checked(kind.expected, kind.checked)), None


def _annotated(kind: Any, meta: Meta) -> Any:  # noqa: ANN401 - type expressions have no type
    return Annotated[kind, meta]


def _extended(table: type[T], fields: list[tuple[str, Any, object]]) -> type[T]:
    made = defstruct(
        table.__name__, fields, bases=(table,), frozen=True, forbid_unknown_fields=True
    )
    return cast("type[T]", made)
