"""Whether what is configured is what runs: the process, what it has read, what IPVS holds."""

from collections.abc import Iterator

from lvsmarkd.judge.desired import Desired
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.ipvs import in_ipvs
from lvsmarkd.model.running import RunningKeepalived, Stopped
from lvsmarkd.model.runtime_state import HostSource, RuntimeState
from lvsmarkd.model.service import Family, ServiceKey

_MOVE = "run lvsmarkd in that one (NetworkNamespacePath= in its unit)"


def presence(desired: Desired) -> Iterator[Finding]:
    """Services that are configured and not loaded, or loaded and not configured; a keepalived
    whose packets our rules do not meet; what could not be seen of it all.
    """
    runtime_state = desired.runtime_state
    yield from _places(desired, runtime_state)
    yield from _unseen(runtime_state)
    if runtime_state.kernel is None or _elsewhere(runtime_state):
        return
    for key in sorted(desired.services):
        loaded = in_ipvs(runtime_state.kernel, key)
        if key in desired.configured:
            if loaded is False and _runs(runtime_state):
                yield _unloaded(key, desired, runtime_state)
        elif loaded and desired.removable:  # else nobody knows what the file holds
            yield _leftover(key, desired, runtime_state)


def _places(desired: Desired, runtime_state: RuntimeState) -> Iterator[Finding]:
    running = runtime_state.running
    if isinstance(running, RunningKeepalived) and running.elsewhere:
        yield Finding(
            Kind.ELSEWHERE,
            f"keepalived (pid {running.pid}) runs in another network namespace than lvsmarkd, so"
            " that its packets meet none of the rules here",
            _MOVE,
        )
    elif runtime_state.ipvs_here is False and desired.namespace is not None:
        yield Finding(
            Kind.ELSEWHERE,
            f"keepalived balances in network namespace {desired.namespace.name}, and lvsmarkd is"
            " not in it, so that its packets meet none of the rules here",
            _MOVE,
            origins=(desired.namespace.origin,),
            subject=desired.namespace.name,
        )


def _elsewhere(runtime_state: RuntimeState) -> bool:
    return runtime_state.ipvs_here is False or (
        isinstance(runtime_state.running, RunningKeepalived)
        and runtime_state.running.elsewhere is True
    )


def _unseen(runtime_state: RuntimeState) -> Iterator[Finding]:
    running = runtime_state.running
    for source in sorted(runtime_state.unseen, key=list(HostSource).index):
        fact, advice = runtime_state.unseen[source].reason, ""
        if source is HostSource.COPY and isinstance(running, RunningKeepalived):
            fact = f"what keepalived (pid {running.pid}) has read last {fact}"
            advice = "the file is taken for it"
            if running.elsewhere is None:
                advice += ", nor can it be seen whether it is in this network namespace"
        yield Finding(Kind.UNSEEN, fact, advice, subject=source)


def _runs(runtime_state: RuntimeState) -> bool:
    return isinstance(runtime_state.running, RunningKeepalived) and runtime_state.running.checker


def _has_read(key: ServiceKey, runtime_state: RuntimeState) -> bool | None:
    """Whether the running keepalived has read the service; None where that cannot be seen."""
    return (
        None
        if runtime_state.copy is None
        else any(s.key == key for s in runtime_state.copy.services)
    )


def _unloaded(key: ServiceKey, desired: Desired, runtime_state: RuntimeState) -> Finding:
    read = _has_read(key, runtime_state)
    if read:
        fact = (
            "keepalived has read this service, and IPVS does not have it, so nothing is balanced:"
            " keepalived starts or stops just now, or could not set it up"
        )
        advice = "see keepalived's journal"
    else:
        fact = "IPVS does not have this service yet"
        advice = "reload keepalived, so that it reads its file" + (
            "; its rules are there already" if desired.flows[key] else ""
        )
    return Finding(
        Kind.UNLOADED,
        fact,
        advice,
        graded=Severity.WARNING if read else None,
        service=key,
        family=key.family,
        origins=desired.services[key].origins,
        subject=bool(read),
    )


def _leftover(key: ServiceKey, desired: Desired, runtime_state: RuntimeState) -> Finding:
    foundling = _has_read(key, runtime_state) is False and _runs(runtime_state)
    """Whether keepalived runs and knows nothing of it."""
    stopped = isinstance(runtime_state.running, Stopped)
    advice = f"if it is not meant: ipvsadm -D -f {key.mark}" + (
        " -6" if key.family is Family.INET6 else ""
    )
    if foundling:
        fact = (
            "IPVS has this service, and keepalived neither configures it nor has read it, so that"
            " nobody will remove it"
        )
    elif stopped:
        fact = (
            "IPVS still has this service, keepalived.conf does not hold it, and keepalived is not"
            " running, so that nobody will remove it"
        )
    else:
        fact = "IPVS still has this service, and keepalived.conf does not hold it"
        advice = (
            "its rules stay until it is gone from IPVS too, which a reload of keepalived brings"
            " about"
        )
    return Finding(
        Kind.LEFTOVER,
        fact,
        advice,
        graded=Severity.WARNING if foundling else None,
        service=key,
        family=key.family,
        origins=desired.services[key].origins,
        subject=(foundling, stopped),
    )
