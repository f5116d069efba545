"""Whether what is configured is what runs: the process, what it has read, what IPVS holds."""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.running import Hidden, Keepalived, Stopped
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.model.world import World


def presence(desired: Desired) -> Iterator[Finding]:
    """Services that are configured and not loaded, or loaded and not configured; a keepalived
    whose packets our rules do not meet; what could not be seen of it all.
    """
    world = desired.world
    yield from _places(desired, world)
    for reason in _unseen(world):
        yield Finding(Kind.UNSEEN, Severity.NOTE, reason)
    if world.kernel is None or _elsewhere(world):
        return
    for key in sorted(desired.services):
        held = world.kernel.holds(key)
        if key in desired.configured:
            if held is False and _runs(world):
                yield _unloaded(key, desired, world)
        elif held and desired.removable:  # else nobody knows what the file holds
            yield _leftover(key, desired, world)


def _places(desired: Desired, world: World) -> Iterator[Finding]:
    running = world.running
    if isinstance(running, Keepalived) and running.elsewhere:
        yield Finding(
            Kind.ELSEWHERE,
            Severity.CRITICAL,
            f"keepalived (pid {running.pid}) runs in another network namespace than lvsmarkd, so"
            " that its packets meet none of the rules here; run lvsmarkd in that one"
            " (NetworkNamespacePath= in its unit)",
        )
    elif world.ipvs_here is False and desired.namespace is not None:
        yield Finding(
            Kind.ELSEWHERE,
            Severity.CRITICAL,
            f"keepalived balances in network namespace {desired.namespace.name}, and lvsmarkd is"
            " not in it, so that its packets meet none of the rules here; run lvsmarkd in that one"
            " (NetworkNamespacePath= in its unit)",
            origins=(desired.namespace.origin,),
        )


def _elsewhere(world: World) -> bool:
    return world.ipvs_here is False or (
        isinstance(world.running, Keepalived) and world.running.elsewhere is True
    )


def _unseen(world: World) -> Iterator[str]:
    if isinstance(world.running, Hidden):
        yield world.running.reason
    yield from world.unseen


def _runs(world: World) -> bool:
    return isinstance(world.running, Keepalived) and world.running.checker


def _has_read(key: ServiceKey, world: World) -> bool | None:
    """Whether the running keepalived has read the service; None where that cannot be seen."""
    return None if world.copy is None else any(s.key == key for s in world.copy.services)


def _unloaded(key: ServiceKey, desired: Desired, world: World) -> Finding:
    if _has_read(key, world):
        severity = Severity.WARNING
        message = (
            "keepalived has read it, and IPVS has no such service, so nothing is balanced: it"
            " starts or stops just now, or could not set it up; see keepalived's journal"
        )
    else:
        severity = Severity.NOTE
        message = "IPVS does not have it: keepalived reads its file when it is reloaded" + (
            "; its rules are there already" if desired.flows[key] else ""
        )
    origins = desired.services[key].origins
    return Finding(Kind.UNLOADED, severity, message, key, family=key.family, origins=origins)


def _leftover(key: ServiceKey, desired: Desired, world: World) -> Finding:
    read = _has_read(key, world)
    if read is False and _runs(world):
        severity = Severity.WARNING
        message = (
            "IPVS has it, and keepalived neither configures it nor has read it, so that nobody"
            f" will remove it; if it is not meant: ipvsadm -D -f {key.mark}"
            + (" -6" if key.family == "inet6" else "")
        )
    elif isinstance(world.running, Stopped):
        severity = Severity.NOTE
        message = (
            "IPVS still has it, and keepalived.conf does not; keepalived is not running, so that"
            f" nobody will remove it; if it is not meant: ipvsadm -D -f {key.mark}"
            + (" -6" if key.family == "inet6" else "")
        )
    else:
        severity = Severity.NOTE
        message = (
            "IPVS still has it, and keepalived.conf does not: its rules stay until it is gone from"
            " IPVS too, which a reload of keepalived brings about"
        )
    origins = desired.services[key].origins
    return Finding(Kind.LEFTOVER, severity, message, key, family=key.family, origins=origins)
