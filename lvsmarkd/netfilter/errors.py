"""How a firewall fails."""

from enum import StrEnum


class Trouble(StrEnum):
    """Why a firewall could not be read or written; each class has its own patience."""

    BUSY = "busy"
    """Somebody holds the lock; the same call will pass later."""
    GONE = "gone"
    """The tool is not there, hangs, was killed or may not."""
    REJECTED = "rejected"
    """The kernel or the tool refuses what was asked."""


class FirewallError(Exception):
    """A call that failed: nothing of it is in force. ``str()`` is a sentence.

    ``down`` says that the firewall is not there, and none of its rules in the kernel either.
    """

    def __init__(self, trouble: Trouble, message: str, *, down: bool = False) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.down = down
