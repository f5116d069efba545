"""Follows keepalived, with whatever rights it is started with; prints what is told."""

import asyncio
import sys
from pathlib import Path

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.keepalived_process import KeepalivedProcess

LIMIT = Path("/proc/sys/user/max_inotify_instances")


class Printed:
    def up(self, _name: str) -> None:
        print("up", flush=True)  # noqa: T201 - that is its job

    def down(self, name: str, reason: str) -> None:
        print(name, reason, flush=True)  # noqa: T201 - that is its job

    def overrun(self, _name: str) -> None:
        raise AssertionError

    def wake(self, _wake: Wake) -> None:
        print("wake", flush=True)  # noqa: T201 - that is its job


if __name__ == "__main__":
    if "limited" in sys.argv:
        LIMIT.write_text("0")
    printed = Printed()
    # Wakes until it is killed.
    asyncio.run(KeepalivedProcess(printed, poll=0.1, fresh=0).run(printed.wake))
