"""Unknown is not absent: the one type for what could not be read."""

from msgspec import Struct


class Unknown(Struct, frozen=True):
    """Something could not be read; ``reason`` says why, in one sentence or clause.

    It is never taken for "nothing is there": no rule is written or taken away on its word.
    """

    reason: str
