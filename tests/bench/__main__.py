"""All benchmarks, or those named; a name stands for all that begin with it."""

import sys

from tests.bench import (
    firewalld_gap,
    firewalld_idle,
    firewalld_load,
    firewalld_repair,
    footprint,
    gap,
    judge,
    latency,
    listing,
    look,
    reading,
    stream,
)
from tests.harness.netns import private_mounts

_ALL = {
    "latency": latency.main,
    "stream": stream.main,
    "gap": gap.main,
    "footprint": footprint.main,
    "listing": listing.main,
    "look": look.main,
    "judge": judge.main,
    "reading": reading.main,
    "firewalld-repair": firewalld_repair.main,
    "firewalld-load": firewalld_load.main,
    "firewalld-gap": firewalld_gap.main,
    "firewalld-idle": firewalld_idle.main,
}


def main(*names: str) -> None:
    """Run them in the order above."""
    for asked in names:
        if not any(name.startswith(asked) for name in _ALL):
            sys.exit(f"there is no benchmark {asked}; there are {', '.join(_ALL)}")
    private_mounts()
    for name, run in _ALL.items():
        if name.startswith(names or ("",)):
            run()


if __name__ == "__main__":
    main(*sys.argv[1:])
