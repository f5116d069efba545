"""Exit statuses: a contract with scripts."""

from enum import IntEnum


class Exit(IntEnum):
    """0: in sync, or done. 2: drift, or a plan that is not empty. 1: an error."""

    OK = 0
    ERROR = 1
    DRIFT = 2


class CommandError(Exception):
    """Ends a command with exit status 1; ``str()`` is what the operator reads."""
