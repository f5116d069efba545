"""Follows a file where inotify gives nothing, until a first wake-up; prints what is told."""

import asyncio
import sys
from pathlib import Path

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.files import Files
from tests.watch.printed import Printed

LIMIT = Path("/proc/sys/user") / sys.argv[2]


class Lifting(Printed):
    """The limit is lifted once a wake-up came without inotify."""

    def wake(self, wake: Wake) -> None:
        LIMIT.write_text("100")
        super().wake(wake)


if __name__ == "__main__":
    LIMIT.write_text("0")
    printed = Lifting()
    files = Files(printed, fresh=0, poll=0.05, retry=0.2)
    files.follow((sys.argv[1],), ())
    # Wakes until it is killed.
    asyncio.run(files.run(printed.wake))
