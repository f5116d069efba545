"""What systemd is told (sd_notify). Without NOTIFY_SOCKET nothing is said, to nobody."""

import contextlib
import os
import time
from collections.abc import Mapping

from systemd.daemon import listen_fds_with_names, notify

from lvsmarkd.model.report import Mode, Report, Result
from lvsmarkd.telemetry.transition import Transition


def ready(status: str = "") -> None:
    """The start, or a reload, is over."""
    _say("READY=1", *_status(status))


def reloading() -> None:
    """A reload begins; ``ready()`` ends it."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    _say("RELOADING=1", f"MONOTONIC_USEC={microseconds}")


def stopping(status: str = "") -> None:
    """The end begins."""
    _say("STOPPING=1", *_status(status))


def status(text: str) -> None:
    """The line that ``systemctl status`` shows."""
    _say(*_status(text))


def watchdog() -> None:
    """A sign of life."""
    _say("WATCHDOG=1")


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds between signs of life: half of what systemd waits. None if it does not wait,
    or waits for another process.
    """
    try:
        limit = int(environ["WATCHDOG_USEC"])
        meant = int(environ.get("WATCHDOG_PID") or os.getpid())
    except (KeyError, ValueError):
        return None
    return limit / 2_000_000 if limit > 0 and meant == os.getpid() else None


def keep_descriptor(name: str, descriptor: int) -> None:
    """Have systemd keep it, under a name, while the service is restarted (FDSTORE), in place of
    all of that name. It is not to be looked at meanwhile: what comes in at it is nobody's then.
    """
    _say("FDSTOREREMOVE=1", f"FDNAME={name}")
    text = f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0"
    with contextlib.suppress(OSError, ValueError):
        notify(text, fds=[descriptor])


def kept_descriptor(name: str) -> int | None:
    """The one of that name that systemd kept. Others are closed: nobody asked for them.

    None too where the environment says nonsense: it is another program's, which started us.
    """
    try:
        passed = listen_fds_with_names(unset_environment=True)
    except OSError:
        return None
    kept = None
    for descriptor, its_name in passed.items():
        if its_name == name and kept is None:
            kept = descriptor
        else:
            os.close(descriptor)
    return kept


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _say(*lines: str) -> None:
    # systemd may be gone or be replaced right now: a word that is lost must not be the end.
    # What a tool complained of may hold any bytes.
    text = "\n".join(lines).encode(errors="backslashreplace").decode()
    with contextlib.suppress(OSError, ValueError):
        notify(text)


def status_line(transition: Transition) -> str:
    """One pass in a line, with the last change."""
    report, changed = transition.after, transition.changed
    services = report.services
    covered = sum(state.covered is True for state in services)
    unknown = sum(state.covered is None for state in services)
    hidden = f", {unknown} not known" if unknown else ""
    parts = [
        f"{_heading(report)}: {_count(len(services), 'service')}, {covered} covered{hidden}",
        report.backend,
    ]
    if report.fights:
        parts.append(f"{_count(len(report.fights), 'fight')} going on")
    if changed is not None and changed.repairs:
        parts.append(f"last change {_count(len(changed.repairs), 'repair')}")
    return "; ".join(parts)


def _heading(report: Report) -> str:
    mode = "" if report.mode is Mode.ENFORCE else f"{report.mode}, "
    match report.result:
        case Result.IN_SYNC | Result.REPAIRED if report.left.in_sync:
            return f"{mode}in sync"
        case Result.ERROR:
            return f"{mode}failed ({report.error})"
        case Result.SUPPRESSED:
            return f"{mode}the firewall refuses a rule"
        case _:
            found = sum(f.severity != "note" for f in report.left.findings)
            return f"{mode}{_count(found, 'finding')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
