"""As many configurations as time allows, put to keepalived and to lvsmarkd.

FUZZ_SECONDS, FUZZ_WORKERS, FUZZ_SEED and KEEPALIVED say how long, how many at once, from where,
and with which keepalived: a command, or "debian 13" for that one's. A quarter of the time is for
vrrp_instances, the rest for services; FUZZ_SUBJECT=instances or services gives all of it to one.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Campaign, Finding
from tests.fuzz.subject import INSTANCES, SERVICES, Subject
from tests.fuzz.terms import Terms
from tests.keepalived.editions import build_asked, command_of
from tests.keepalived.oracle import Oracle


def main() -> int:
    """Run, and print what was found."""
    asked = Terms.asked()
    keepalived = command_of(os.environ.get("KEEPALIVED", "keepalived"))
    told = f"keepalived {build_asked(keepalived).dotted}"
    print(f"{asked}, {told}", flush=True)
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as scratch:
        directory = Path(scratch)
        oracle = Oracle.build(directory, keepalived)
        found = 0
        for subject, part in _subjects():
            campaign = Campaign(oracle, directory, asked.seed, subject, _tell)
            began = time.monotonic()
            campaign.run(asked.workers, seconds=asked.seconds * part)
            print(f"{subject.name}: {campaign.summary(time.monotonic() - began)}", flush=True)
            found += len(campaign.found)
    return 1 if found else 0


def _subjects() -> list[tuple[Subject, float]]:
    """What it is about, each with its part of the time."""
    wanted = os.environ.get("FUZZ_SUBJECT")
    parts = [(SERVICES, 0.75), (INSTANCES, 0.25)]
    only = [(subject, 1.0) for subject, _ in parts if subject.name == wanted]
    return only or parts


def _tell(finding: Finding) -> None:
    print(finding, flush=True)


if __name__ == "__main__":
    sys.exit(main())
