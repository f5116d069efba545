"""Every series that lvsmarkd exports: the one table that code, tests and manual share.

The names are a contract. Labels never bear an actor, an address or a rule's text: those
would make a new series of each event; they go to the journal.
"""

from enum import StrEnum

from msgspec import Struct


class Type(StrEnum):
    """The types of the exposition format that are used here."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Series(Struct, frozen=True):
    """One family of series. ``buckets`` are the upper bounds of a histogram, without +Inf."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _gauge(name: str, text: str, *labels: str) -> Series:
    return Series(f"lvsmarkd_{name}", Type.GAUGE, text, labels)


def _counter(name: str, text: str, *labels: str) -> Series:
    return Series(f"lvsmarkd_{name}", Type.COUNTER, text, labels)


# Repairs take some 5 ms on a quiet director and seconds where a lock is held.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def _histogram(name: str, text: str, *labels: str) -> Series:
    return Series(f"lvsmarkd_{name}", Type.HISTOGRAM, text, labels, _SECONDS)


BUILD_INFO = _gauge("build_info", "Which lvsmarkd runs, on which Python.", "version", "python")
MODE = _gauge("mode", "1 for the mode in force: enforce, observe or paused.", "mode")
BACKEND_INFO = _gauge("backend_info", "Which firewall is in use.", "backend", "version")
CONFIG_GOOD = _gauge(
    "config_last_reload_successful", "Whether lvsmarkd.toml, as it is now, is in force."
)
CONFIG_TIME = _gauge(
    "config_last_reload_success_timestamp_seconds", "When lvsmarkd.toml was last read well."
)
KEEPALIVED_VALID = _gauge(
    "keepalived_config_valid",
    "Whether keepalived.conf could be read as a whole; if not, no rule is taken away.",
)
KEEPALIVED_PROBLEMS = _gauge(
    "keepalived_config_problems",
    "Problems in keepalived.conf and in the declarations; notes are not counted.",
)
KEEPALIVED_RUNNING = _gauge(
    "keepalived_running",
    "Whether there is a keepalived that runs; not there where that is not seen.",
)
MARKS = _gauge("keepalived_marks", "Services by firewall mark.", "family")
COVERED = _gauge(
    "mark_covered",
    "Whether the service's packets come to IPVS with its mark; not there where that is not known.",
    "mark",
    "family",
)
UNKNOWN = _gauge(
    "mark_unknown",
    "Whether it is not known if the service's packets come to IPVS with its mark.",
    "mark",
    "family",
)
REFUSED = _gauge(
    "mark_refused_at_input",
    "Whether packets of the service are refused at INPUT, before IPVS; not there where that is"
    " not known.",
    "mark",
    "family",
)
LOADED = _gauge(
    "mark_service_loaded",
    "Whether IPVS has the service; not there where that cannot be seen.",
    "mark",
    "family",
)
CONFIGURED = _gauge(
    "mark_service_configured",
    "Whether keepalived.conf holds the service; 0 while it is in use still.",
    "mark",
    "family",
)
DESIRED = _gauge("rules_desired", "Rules that must be there.", "family", "plane")
PRESENT = _gauge(
    "rules_present",
    "Rules that must be there and are; not there where that cannot be read.",
    "family",
    "plane",
)
DRIFTED = _gauge(
    "rules_drifted",
    "Drift that is left after the last pass. What cannot be read keeps its last value.",
    "kind",
    "family",
    "plane",
)
FINDINGS = _gauge("findings", "Findings that are left after the last pass.", "kind", "severity")
ORPHANS = _gauge(
    "orphan_rules", "Marks that rules of others set and that no service uses.", "family"
)
DRIFT_DETECTED = _counter(
    "drift_detected_total",
    "Differences found, each once for as long as it lasts.",
    "kind",
    "plane",
    "trigger",
)
DRIFT_SINCE = _gauge(
    "drift_since_timestamp_seconds", "Since when there is drift that no pass mended; 0 for none."
)
EXPOSED = _counter(
    "exposed_seconds_total",
    "Time with at least one mark known to be uncovered, repairs of what was undone included.",
)
REPAIRS = _counter(
    "repairs_total",
    "Steps carried out (result ok: verified by looking again; failed: refused or not possible).",
    "action",
    "plane",
    "cause",
    "result",
)
REPAIR_LATENCY = _histogram("repair_latency_seconds", "From the wake-up to the verified repair.")
PASSES = _counter("reconcile_total", "Passes.", "trigger", "result")
PASS_DURATION = _histogram("reconcile_duration_seconds", "How long a pass takes.")
LAST_QUEUED = _gauge(
    "reconcile_last_queued_timestamp_seconds", "When a pass was last asked for; 0 for never."
)
LAST_RUN = _gauge("reconcile_last_run_timestamp_seconds", "When a pass last ended; 0 for never.")
LAST_SUCCESS = _gauge(
    "reconcile_last_success_timestamp_seconds",
    "When a pass last ended without an error; 0 for never.",
)
FAILURES = _gauge("reconcile_consecutive_failures", "Passes in a row that ended in an error.")
CRASHES = _counter("reconcile_crashes_total", "Passes that a bug of lvsmarkd ended.")
LOST = _counter("journal_lost_total", "Messages that the journal did not take.")
WAKES = _counter("wakes_total", "Reasons to look; a pass may serve many.", "trigger")
CALLS = _counter(
    "backend_calls_total", "Calls of the firewall: ok, busy, rejected or error.",
    "operation", "result",
)  # fmt: skip
CALL_DURATION = _histogram(
    "backend_call_duration_seconds", "How long calls of the firewall take.", "operation"
)
GUARD = _gauge("guard_in_force", "Whether the guard marks what the firewall's rules do not.")
GUARDED = _counter(
    "guarded_packets_total",
    "Packets that the guard marked: no rule of the firewall had.",
    "mark",
    "family",
)
FIGHT_ACTIVE = _gauge("fight_active", "Whether another program keeps undoing our work.")
FIGHTS = _counter("fights_total", "Rules over which a fight began.")
WATCH_UP = _gauge("watch_up", "Whether a source of wake-ups works.", "watcher")
WATCH_EVENTS = _counter("watch_events_total", "Events that a source delivered.", "watcher")
WATCH_OVERRUNS = _counter(
    "watch_overruns_total", "Times that a source lost events; a full check follows.", "watcher"
)
CHECKSUM = _gauge(
    "desired_state_checksum",
    "32 bits over what must hold: equal on agreeing directors, whatever firewall keeps the rules.",
)
PACKETS = _counter(
    "mark_packets_total",
    "Packets that our rules marked, kept up over resets; firewalld's rules count none.",
    "mark",
    "family",
)

ALL: tuple[Series, ...] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Series)
)
"""The whole table, in the order above."""
