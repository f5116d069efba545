"""What the daemon tells of itself and of its parts, beside the passes."""

from lvsmarkd.model.report import Mode
from lvsmarkd.model.shortage import shortage_sentence
from lvsmarkd.telemetry.message import Event, Message, Priority, fields


def started(version: str, mode: Mode) -> Message:
    """The daemon begins."""
    return Message(
        Event.STARTED,
        Priority.INFO,
        f"lvsmarkd {version} begins, in mode {mode}",
        fields(version=version, mode=mode),
    )


def stopped() -> Message:
    """The daemon ends."""
    return Message(Event.STOPPED, Priority.INFO, "lvsmarkd ends; its rules stay in force")


def reloaded() -> Message:
    """A reload was asked for."""
    return Message(
        Event.RELOADED,
        Priority.INFO,
        "asked to reload: lvsmarkd.toml and keepalived.conf are read again now",
    )


def crashed(error: BaseException) -> Message:
    """A pass raised."""
    return Message(
        Event.CRASHED,
        Priority.ERROR,
        f"a pass ended by a bug of lvsmarkd and is tried again; please report it:"
        f" {type(error).__name__}: {error}",
        fields(error=type(error).__name__),
    )


def cut_short(error: BaseException) -> Message:
    """A pass, or the telling of it, met a lack of descriptors or memory."""
    return Message(
        Event.REPAIR_FAILED,
        Priority.ERROR,
        f"a pass was cut short: {shortage_sentence(error)}; it is tried again",
        fields(error=type(error).__name__),
    )


_SUBJECTS = {
    "files": "the configuration's files",
    "nftables": "nf_tables",
    "xtables_lock": "iptables-legacy's rules",
    "keepalived": "keepalived's process",
    "firewalld": "firewalld",
    "ipvs": "IPVS's services",
}


def _subject(source: str) -> str:
    return _SUBJECTS.get(source, source)


def _still(source: str) -> str:
    if source == "keepalived":
        return "what comes of it in IPVS is seen within a second or so"
    return "the slow full check still sees them"


def watch_lost(name: str, reason: str) -> Message:
    """A source of wake-ups does not work."""
    return Message(
        Event.WATCH_LOST,
        Priority.WARNING,
        f"changes of {_subject(name)} are not all seen at once: {reason}; {_still(name)}",
        fields(watcher=name),
        about=name,
    )


def watch_back(name: str) -> Message:
    """A source of wake-ups works again."""
    return Message(
        Event.WATCH_BACK,
        Priority.NOTICE,
        f"changes of {_subject(name)} are seen at once again",
        fields(watcher=name),
        about=name,
    )


def metrics_unserved(address: str, reason: str) -> Message:
    """An address of ours cannot be listened on."""
    return Message(
        Event.METRICS_UNSERVED,
        Priority.WARNING,
        f"{reason}; it is tried again",
        fields(address=address),
        about=address,
    )


def metrics_served(address: str) -> Message:
    """Metrics are served where they could not be before."""
    return Message(
        Event.METRICS_SERVED,
        Priority.NOTICE,
        f"metrics are served on {address} now",
        fields(address=address),
        about=address,
    )
