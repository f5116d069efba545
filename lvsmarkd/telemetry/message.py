"""What the journal is told: kinds of events, and one message of a kind."""

from collections.abc import Hashable, Iterable, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct, field

from lvsmarkd.model.finding import Severity
from lvsmarkd.model.service import ServiceKey
from lvsmarkd.model.wake import Actor


class Event(StrEnum):
    """The kinds of events, by their MESSAGE_ID: a contract, never to be changed.

    ``packaging/lvsmarkd.catalog`` explains each (``journalctl -x``).
    """

    STARTED = "2c9ec6c3f8e249ff8b24ea60a3982d79"
    STOPPED = "426107eabd5a4043b344774aaf67cfcc"
    CRASHED = "cd186b2f86db464fa363a05f4d6d74b6"
    RELOADED = "4fa4790034744f47b237be00dc752b39"
    """lvsmarkd was told to read everything again."""
    MODE_CHANGED = "322c4a448150476f815d89abb92309c2"

    DRIFT_FOUND = "1543b6a19d8f4999909e004707d66e80"
    """Only drift that is still there after the pass; else one REPAIRED says it all."""
    DRIFT_OVER = "13e1baf1d5604b1880ae5db6d67590de"
    """Drift went without our doing."""
    REPAIRED = "289fdde2c44741b3a0628388ac928b4d"
    """Somebody undid a rule, and it is in force again."""
    APPLIED = "caa25a7d7d574783a98c0f68951605ad"
    """Rules were changed because the configuration asks for it."""
    REPAIR_FAILED = "e67c6424f72449e487b1dfc3214e6b87"
    RULE_REFUSED = "9bd7ccbfe2d54026a3f68485d41e98a5"
    RULE_TAKEN = "d213bb17567c4311b363097d86fb966c"
    STALE_HELD = "19c3ea6c36cd4c90a600f7617bf69894"

    UNCOVERED = "f0b90de15a784496b5937c4b584ca174"
    COVERED = "e46ef1944879445889644c9ff743a667"
    COVERAGE_UNKNOWN = "92993e27327d45a99f173bf47f874d3c"
    """A rule hides what becomes of a service's packets."""
    COVERAGE_KNOWN = "d5d6c895e40f4a22b7c98468a8c2c2ef"
    INFERRED = "cba0fbb99dac4526b90dc5e03adf99f6"
    CONFLICT = "9fb5e8a8389e4f448e54adf8635c58e5"
    CONFLICT_OVER = "0d8dd94a2bee4e589c1e76a261697fcb"
    UNACCEPTED = "e420519d151545f4bdfea629137b77a6"
    ACCEPTED = "59c9b76909804990b1f218c7ffb1f295"
    UNDELIVERED = "b006ce08a3a242698643f035cf8d5d5e"
    DELIVERED = "3e1accdcc78f4e7ea3b59d0d4ef24c02"
    ORPHAN = "a3961816e62e4b9ab573b4fb70dfd64e"
    ORPHAN_GONE = "8e5c9941053f4479a90855db33172bd3"
    CLAIMED = "2cf4f0525f1540faaedc7c856cd425c7"
    CLAIM_GONE = "fdf099cd7ea143a490b9a1510fb50484"
    MIXED_FIREWALLS = "bec6f637396548dd9892c0e28958f060"
    MIXED_FIREWALLS_OVER = "22ffac70c885488999b4fa1ba1badf8a"
    BYPASSED = "e783195851ad4005815e9037bd8aa894"
    BYPASS_OVER = "da38a44fd16241d68b23278036f3f4a3"
    FLEETING = "dfcca242020040e791676a346ba712bf"
    LASTING = "22a36f79eece4275a88d34b1156a7210"
    FIREWALL_BROKEN = "f43c2c370adc4e69821d264839858552"
    FIREWALL_WELL = "1deaa1cac80347269914910918eef82b"
    UNLOADED = "4573f187442f41d9844d56079960c83e"
    LOADED = "fd3e69b1d50b4021a4436046b80dba88"

    LEFTOVER = "82c82a53a6134b62b55b05785c1e558f"
    LEFTOVER_GONE = "f8b311b7ad4f40c7a88b7bea9228be3f"
    ELSEWHERE = "6ce43fcb4746454d9b2048c6d5f9d34f"
    ELSEWHERE_OVER = "809c78863c8a40d2bb4b2154cd0602d6"
    UNSEEN = "b7c6136d39dd4aa6bc79b02823a2c3e1"
    SEEN = "c8e6307f29ee4e4680475b5ad95a00e7"

    FIGHT_BEGINS = "08cdd057c2704a38b148f6cede3c9725"
    FIGHT_OVER = "157f4f2d0c42425cb824f0b3cbb8267f"

    GUARD_MARKED = "0874cc3818a341d3bb6ced538fbb01bb"
    """Packets came that no rule of the firewall marked, and the guard did."""
    GUARD_LOST = "f9c4ab6a63a44a0cb6b8eeab6d1734ff"
    GUARD_BACK = "4a152f05549647cf8f6c9bf815972273"

    CONFIGURATION_REFUSED = "ebb25454848c4c279504fd27dba35c3e"
    CONFIGURATION_GOOD = "6a8a61fb2a4442b0ba5c91c6f60c2c20"
    DECLARATION_UNUSED = "25c8507fd5604af183118142267801ca"
    KEEPALIVED_PROBLEM = "7c2f65f6cf34439da5d18fd6916b2751"
    KEEPALIVED_PROBLEM_GONE = "9bf46b664a46434cb233dfb333655d92"

    BACKEND_LOST = "3767eef03fe4451fb66c6fd61ba72c11"
    BACKEND_BACK = "56c74308d5bd4e33ac86cf192b5ab313"
    BACKEND_CHANGED = "35bb8c6e5f1646c8a1c07ad7e7e14d6c"
    """Another firewall keeps the rules from now on."""
    WATCH_LOST = "4e617d1b84fd4660920215ef3e7fa2f6"
    WATCH_BACK = "1831564b184a4eb08f58f354e8af9b5b"
    METRICS_UNSERVED = "772ccd63e4dd49e8baa74fccfa479c8f"
    METRICS_SERVED = "2808f559450949ce92fba0d5e56c1db5"

    @property
    def words(self) -> str:
        """Its name, as words."""
        return self.name.lower().replace("_", " ")


class Priority(IntEnum):
    """The syslog priorities that are used here."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6

    @classmethod
    def of(cls, severity: Severity) -> "Priority":
        """The priority of a finding of some severity."""
        match severity:
            case Severity.CRITICAL:
                return cls.CRITICAL
            case Severity.WARNING:
                return cls.WARNING
            case Severity.NOTE:
                return cls.NOTICE


class Message(Struct, frozen=True):
    """One line for an operator; ``fields`` say the same to programs (``LVSMARKD_*``).

    ``about`` is what it is about, where that is no service: messages of one event about the same
    thing are told a few times a minute, whatever their words.
    """

    event: Event
    priority: Priority
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    service: ServiceKey | None = None
    about: Hashable = None

    @property
    def topic(self) -> Hashable:
        """The event, and what it is about: a service, whatever of it, or something else."""
        return (self.event, self.service or self.about)


def fields(service: ServiceKey | None = None, **more: object) -> dict[str, str]:
    """Journal fields: those of the service, and ``LVSMARKD_<NAME>`` of all others that say
    something.
    """
    about = {"MARK": service.mark, "FAMILY": service.family} if service else {}
    all_of_them = {name.upper(): value for name, value in more.items()} | about
    return {
        f"LVSMARKD_{name}": str(value)
        for name, value in all_of_them.items()
        if value not in (None, "")
    }


def actor_fields(actors: tuple[Actor, ...]) -> dict[str, str]:
    """Who did it, where only one was seen: of several, nobody knows which."""
    if len(actors) != 1:
        return {}
    actor = actors[0]
    return fields(actor_pid=actor.pid, actor_comm=actor.name, actor_command=actor.command)


def who(actors: Iterable[Actor | str]) -> str:
    """Who did it, as the subject of a sentence."""
    names = list(dict.fromkeys(map(str, actors)))
    match names:
        case []:
            return "somebody"
        case [name]:
            return name
        case _:
            return f"one of {listed(names)}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """The first few of them."""
    all_names = list(names)
    rest = len(all_names) - most
    shown = ", ".join(all_names[:most])
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def counted(number: int, noun: str) -> str:
    """``1 rule``, ``1,000 rules``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
