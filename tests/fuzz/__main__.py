"""As many configurations as time allows, put to keepalived and to lvsmarkd.

FUZZ_SECONDS, FUZZ_WORKERS, FUZZ_SEED and KEEPALIVED say how long, how many at once, from where,
and with which keepalived: a command, or "debian 13" for that one's.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Campaign, Finding
from tests.keepalived.editions import build_asked, command_of
from tests.keepalived.oracle import Oracle


def main() -> int:
    """Run, and print what was found."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    workers = int(os.environ.get("FUZZ_WORKERS", "2"))
    seed = os.environ.get("FUZZ_SEED") or str(time.time_ns())
    keepalived = command_of(os.environ.get("KEEPALIVED", "keepalived"))
    told = f"keepalived {build_asked(keepalived).dotted}"
    print(f"seed {seed}, {seconds:.0f} s, {told}", flush=True)
    memory = Path("/dev/shm")  # noqa: S108  # a directory of our own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        directory = Path(scratch)
        campaign = Campaign(Oracle.build(directory, keepalived), directory, seed, _tell)
        began = time.monotonic()
        campaign.run(workers, seconds=seconds)
        print(campaign.summary(time.monotonic() - began))
    return 1 if campaign.found else 0


def _tell(finding: Finding) -> None:
    print(finding, flush=True)


if __name__ == "__main__":
    sys.exit(main())
