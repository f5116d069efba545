"""What firewalld lists, in one plane: its zones, its policies, its direct rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.client.calls import (
    CONFIG_PATH,
    FirewalldClient,
    FirewalldError,
    Interface,
    Request,
)
from lvsmarkd.model.rule import Plane

Settings = Mapping[str, object]
"""A zone's or a policy's, as firewalld gives them: empty lists are left out."""
DirectRule = tuple[str, str, str, int, tuple[str, ...]]
"""Family (ipv4, ipv6, eb), table, chain, priority, iptables' arguments."""
Passthrough = tuple[str, tuple[str, ...]]
"""Family, and iptables' arguments as they are given to it."""


class Listing(Struct, frozen=True):
    """One plane at one moment.

    ``active`` are the zones that packets enter by, with their interfaces and sources; of the
    permanent plane none is known.
    """

    plane: Plane
    default_zone: str
    zones: Mapping[str, Settings] = field(default_factory=dict)
    policies: Mapping[str, Settings] = field(default_factory=dict)
    direct: tuple[DirectRule, ...] = ()
    passthroughs: tuple[Passthrough, ...] = ()
    active: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@contextmanager
def of_the_shape_expected() -> Iterator[None]:
    """Whoever has firewalld's name may answer anything: that is a failed call, no bug of ours."""
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise FirewalldError(
            "", f"it gave an answer that is none of firewalld's: {error}"
        ) from error


def strings(settings: Settings, key: str) -> tuple[str, ...]:
    """A setting that is a list of texts."""
    value = settings.get(key, ())
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def pairs(settings: Settings, key: str) -> tuple[tuple[str, str], ...]:
    """A setting that is a list of pairs, as ports are. Raises FirewalldError where it is none."""
    value = settings.get(key, ())
    if not isinstance(value, list | tuple):
        return ()
    with of_the_shape_expected():
        return tuple((str(a), str(b)) for a, b in value)


def text(settings: Settings, key: str) -> str:
    """A setting that is one text."""
    return str(settings.get(key, ""))


def number(settings: Settings, key: str) -> int:
    """A setting that is a number; 0 where it is left out."""
    value = settings.get(key, 0)
    return value if isinstance(value, int) else 0


def rich_rules(settings: Settings) -> tuple[str, ...]:
    """The rich rules of a zone or a policy, which call them by two names."""
    return strings(settings, "rules_str") or strings(settings, "rich_rules")


def read_runtime(firewalld: FirewalldClient) -> Listing:
    """What packets meet now. Raises BusError, FirewalldError."""
    with of_the_shape_expected():
        return _runtime(firewalld)


def _runtime(firewalld: FirewalldClient) -> Listing:
    default_zone = str(firewalld.call(Interface.MAIN, "getDefaultZone"))
    zones = _names(firewalld.call(Interface.ZONE, "getZones"))
    policies = _policies(firewalld, Interface.POLICY, "getPolicies")
    found = _settings(
        firewalld,
        [
            *(Request(Interface.ZONE, "getZoneSettings2", (name,)) for name in zones),
            *(Request(Interface.POLICY, "getPolicySettings", (name,)) for name in policies),
        ],
    )
    return Listing(
        Plane.RUNTIME,
        default_zone,
        dict(zip(zones, found, strict=False)),
        dict(zip(policies, found[len(zones) :], strict=True)),
        _direct(firewalld.call(Interface.DIRECT, "getAllRules")),
        _passthroughs(firewalld.call(Interface.DIRECT, "getAllPassthroughs")),
        _active(firewalld.call(Interface.ZONE, "getActiveZones")),
    )


def read_permanent(firewalld: FirewalldClient) -> Listing:
    """What the next reload or boot brings. Raises BusError, FirewalldError."""
    with of_the_shape_expected():
        return _permanent(firewalld)


def read_permanent_of_failed(firewalld: FirewalldClient) -> Listing:
    """Of a firewalld that has failed, what it takes for its permanent configuration: after a start
    that failed the stock one, with no direct rules and an error where these are asked for (1.3.3).

    Raises BusError, FirewalldError.
    """
    try:
        return read_permanent(firewalld)
    except FirewalldError:
        with of_the_shape_expected():
            return _permanent(firewalld, direct=False)


def _permanent(firewalld: FirewalldClient, *, direct: bool = True) -> Listing:
    names = _names(firewalld.call(Interface.CONFIG, "getZoneNames", path=CONFIG_PATH))
    policies = _policies(firewalld, Interface.CONFIG, "getPolicyNames", CONFIG_PATH)
    paths = _answers(
        firewalld,
        [
            *(Request(Interface.CONFIG, "getZoneByName", (n,), CONFIG_PATH) for n in names),
            *(Request(Interface.CONFIG, "getPolicyByName", (n,), CONFIG_PATH) for n in policies),
        ],
    )
    asked = [(Interface.CONFIG_ZONE, "getSettings2")] * len(names)
    asked += [(Interface.CONFIG_POLICY, "getSettings")] * len(policies)
    found = _settings(
        firewalld,
        [
            Request(interface, method, (), str(path))
            for (interface, method), path in zip(asked, paths, strict=True)
        ],
    )
    return Listing(
        Plane.PERMANENT,
        # There is one: firewalld keeps it in its file, and writes it when it is changed.
        str(firewalld.call(Interface.MAIN, "getDefaultZone")),
        dict(zip(names, found, strict=False)),
        dict(zip(policies, found[len(names) :], strict=True)),
        *(_permanent_direct(firewalld) if direct else ()),
    )


def _permanent_direct(
    firewalld: FirewalldClient,
) -> tuple[tuple[DirectRule, ...], tuple[Passthrough, ...]]:
    return (
        _direct(firewalld.call(Interface.CONFIG_DIRECT, "getAllRules", path=CONFIG_PATH)),
        _passthroughs(
            firewalld.call(Interface.CONFIG_DIRECT, "getAllPassthroughs", path=CONFIG_PATH)
        ),
    )


def _policies(
    firewalld: FirewalldClient, interface: Interface, method: str, path: str | None = None
) -> tuple[str, ...]:
    """The names of the policies; firewalld before 0.9 has none, nor the method."""
    try:
        answer = (
            firewalld.call(interface, method, path=path)
            if path
            else firewalld.call(interface, method)
        )
    except FirewalldError as error:
        if error.code == "UnknownMethod":
            return ()
        raise
    return _names(answer)


def _names(answer: object) -> tuple[str, ...]:
    return tuple(map(str, answer)) if isinstance(answer, list | tuple) else ()


def _answers(firewalld: FirewalldClient, requests: Sequence[Request]) -> list[object]:
    answers = firewalld.calls(requests)
    for answer in answers:
        if isinstance(answer, FirewalldError):
            raise answer
    return answers


def _settings(firewalld: FirewalldClient, requests: Sequence[Request]) -> list[Settings]:
    return [a if isinstance(a, Mapping) else {} for a in _answers(firewalld, requests)]


def _rows(answer: object) -> Iterable[tuple[object, ...]]:
    if isinstance(answer, list | tuple):
        yield from (row for row in answer if isinstance(row, tuple))


def _direct(answer: object) -> tuple[DirectRule, ...]:
    return tuple(
        (str(ipv), str(table), str(chain), int(str(priority)), _names(arguments))
        for ipv, table, chain, priority, arguments in _rows(answer)
    )


def _passthroughs(answer: object) -> tuple[Passthrough, ...]:
    return tuple((str(ipv), _names(arguments)) for ipv, arguments in _rows(answer))


def _active(answer: object) -> dict[str, tuple[str, ...]]:
    """Each active zone with the ways in: interfaces by name, sources as ``source …``."""
    if not isinstance(answer, Mapping):
        return {}
    return {
        str(zone): (
            *(str(name) for name in ways.get("interfaces", ())),
            *(f"source {source}" for source in ways.get("sources", ())),
        )
        for zone, ways in answer.items()
    }
