"""keepalived's own command line, read as getopt_long reads it for keepalived."""

from collections.abc import Iterator, Sequence
from enum import Enum

from msgspec import Struct


class _ValueKind(Enum):
    """Whether an option takes a value; an optional one must be glued to it."""

    NONE = 0
    REQUIRED = 1
    OPTIONAL = 2


# The short options of all builds (core/main.c, parse_cmdline, 2.2.7 and 2.4.3): those with a
# required and those with an optional value. Every other letter takes none.
_REQUIRED = "ufpisrcbAS"
_OPTIONAL = "Mgt"

# The long options, by the short one that each is; those without one keep their names.
_LONG = {
    "use-file": "f",
    "vrrp": "P",
    "check": "C",
    "no_bfd": "B",
    "all": "all",
    "log-console": "l",
    "log-detail": "D",
    "log-facility": "S",
    "log-file": "g",
    "all-config": "e",
    "flush-log-file": "flush-log-file",
    "no-syslog": "G",
    "umask": "u",
    "release-vips": "X",
    "dont-release-vrrp": "V",
    "dont-release-ipvs": "I",
    "dont-respawn": "R",
    "dont-fork": "n",
    "dump-conf": "d",
    "pid": "p",
    "vrrp_pid": "r",
    "genhash": "T",
    "checkers_pid": "c",
    "address-monitoring": "a",
    "bfd_pid": "b",
    "snmp": "x",
    "snmp-agent-socket": "A",
    "core-dump": "m",
    "core-dump-pattern": "M",
    "no-mem-check": "no-mem-check",
    "mem-check-log": "L",
    "openssl-mem-check": "O",
    "namespace": "s",
    "config-id": "i",
    "signum": "signum",
    "ignore-sigint": "ignore-sigint",
    "config-test": "t",
    "config-fd": "config-fd",
    "perf": "perf",
    "debug": "debug",
    "version": "v",
    "help": "h",
}
_VALUES = (
    dict.fromkeys([*_REQUIRED, "signum", "config-fd"], _ValueKind.REQUIRED)
    | dict.fromkeys([*_OPTIONAL, "perf", "debug"], _ValueKind.OPTIONAL)
)  # fmt: skip

_NO_DAEMON = frozenset({"t", "T", "v", "h", "signum"})
"""Options with which it does one thing and ends: a test of a configuration, genhash, help."""


class KeepalivedOptions(Struct, frozen=True):
    """What the command line says of what is read, and where. Of a repeated option, the last
    one counts.

    ``daemon`` is False where it is no daemon: ``-t``, ``-T``, ``-v``, ``-h``, ``--signum``.
    """

    config: str | None = None
    config_id: str | None = None
    net_namespace: str | None = None
    pid_file: str | None = None
    checker: bool = True
    daemon: bool = True


def options_of(arguments: Sequence[str]) -> KeepalivedOptions:
    """Read a command line; ``arguments[0]`` is the program's name.

    What keepalived would refuse is passed over: no process runs with it.
    """
    found: dict[str, str] = {}
    checker = daemon = True
    for option, value in _options(arguments[1:]):
        if option == "P":
            checker = False
        elif option == "all":
            checker = True
        daemon = daemon and option not in _NO_DAEMON
        found[option] = value
    return KeepalivedOptions(
        config=found.get("f") or None,
        config_id=found.get("i"),
        net_namespace=found.get("s") or None,
        pid_file=found.get("p") or None,
        checker=checker,
        daemon=daemon,
    )


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value; other arguments may stand between them."""
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            return
        if argument.startswith("--"):
            name, glued, value = argument[2:].partition("=")
            option = _long(name)
            kind = _VALUES.get(option, _ValueKind.NONE)
            if kind is _ValueKind.REQUIRED and not glued:
                value = next(waiting, "")
            yield option, value if kind is not _ValueKind.NONE else ""
        elif argument.startswith("-") and argument != "-":
            yield from _cluster(argument[1:], waiting)


def _cluster(letters: str, waiting: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Short options behind one dash: the first that takes a value takes what is left."""
    for at, letter in enumerate(letters, 1):
        match _VALUES.get(letter, _ValueKind.NONE):
            case _ValueKind.NONE:
                yield letter, ""
            case _ValueKind.OPTIONAL:
                yield letter, letters[at:]
                return
            case _ValueKind.REQUIRED:
                yield letter, letters[at:] or next(waiting, "")
                return


def _long(name: str) -> str:
    """The option that a name means: itself, or the only one that begins so."""
    if name in _LONG:
        return _LONG[name]
    meant = {option for long, option in _LONG.items() if long.startswith(name)}
    return meant.pop() if len(meant) == 1 else ""
