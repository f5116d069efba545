"""Times as people write them: 90s, 30m, 2h, 1d."""

import argparse
import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def seconds_of(text: str) -> float:
    """Seconds. Raises argparse.ArgumentTypeError, whose message says what is expected."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90s, 30m, 2h or 1d")
    return float(int(found[1]) * _UNITS[found[2]])
