"""Numbers as keepalived reads them at run time."""

import re

_WHITE_SPACE = " \t\f\n\r\v"
_DIGITS = re.compile(r"[ \t\f\n\r\v]*([+-]?)([0-9]+)")
_ULONG = 2**64


def read_unsigned(text: str, low: int, high: int) -> int | None:
    """The number that a word begins with, or None where keepalived rejects the word.

    lib/parser.c, read_unsigned_func, as it is called for marks and ports: what follows the
    digits is a warning only (``5abc`` is 5, ``0x10`` and ``abc`` are 0, ``010`` is 10), and a
    value out of range is an error. ``keepalived --config-test`` is stricter than that.
    """
    value = _strtoul(text)
    return value if low <= value <= high else None


def is_plain(text: str) -> bool:
    """Whether a word is a decimal number and nothing else."""
    return text.isascii() and text.isdigit()


def read_plain(text: str, low: int, high: int) -> int | None:
    """As `read_unsigned`, where keepalived takes no garbage after the digits either."""
    match = _DIGITS.match(text)
    if match is None or match.end() != len(text) or text.lstrip(_WHITE_SPACE).startswith("-"):
        return None
    return read_unsigned(text, low, high)


def _strtoul(text: str) -> int:
    if (match := _DIGITS.match(text)) is None:
        return 0
    value = int(match.group(2))
    # Beyond its limit C stays there; before it, a minus wraps around.
    if value >= _ULONG:
        return _ULONG - 1
    return -value % _ULONG if match.group(1) == "-" else value
