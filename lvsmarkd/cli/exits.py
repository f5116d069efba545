"""Exit statuses: a contract with scripts."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any


class Exit(IntEnum):
    """0: done; of a command that judges (plan, apply, status): in sync, too.

    1: an error: the command could not do its work, or see enough to judge. 2, of a command that
    judges: drift, a finding that is no mere note, or a plan that is not empty.
    """

    OK = 0
    ERROR = 1
    DRIFT = 2


class CommandError(Exception):
    """Ends a command with exit status 1; ``str()`` is what the operator reads. ``form`` is what
    the JSON object holds besides ``error``: what was done all the same.
    """

    def __init__(self, message: str, form: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.form = form
