"""Follows a file where inotify gives nothing, until a first wake-up; prints what is told."""

import asyncio
import sys
from pathlib import Path

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.files import Files

LIMIT = Path("/proc/sys/user") / sys.argv[2]


class Printed:
    def up(self, _name: str) -> None:
        print("up", flush=True)  # noqa: T201 - that is its job

    def down(self, name: str, reason: str) -> None:
        print(name, reason, flush=True)  # noqa: T201 - that is its job

    def overrun(self, _name: str) -> None:
        raise AssertionError

    def wake(self, _wake: Wake) -> None:
        LIMIT.write_text("100")
        print("wake", flush=True)  # noqa: T201 - that is its job


if __name__ == "__main__":
    LIMIT.write_text("0")
    printed = Printed()
    files = Files(printed, fresh=0, poll=0.05, retry=0.2)
    files.follow((sys.argv[1],), ())
    # Wakes until it is killed.
    asyncio.run(files.run(printed.wake))
