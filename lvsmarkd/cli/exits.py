"""Exit statuses: a contract with scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """0: in sync, or done. 1: an error.

    2: drift, a finding that is no mere note, or a plan that is not empty.
    """

    OK = 0
    ERROR = 1
    DRIFT = 2


class CommandError(Exception):
    """Ends a command with exit status 1; ``str()`` is what the operator reads."""
