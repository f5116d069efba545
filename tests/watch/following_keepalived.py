"""Follows keepalived, with whatever rights it is started with; prints what is told."""

import asyncio
import sys
from pathlib import Path

from lvsmarkd.watch.keepalived_process import KeepalivedProcess
from tests.watch.printed import Printed

LIMIT = Path("/proc/sys/user/max_inotify_instances")


if __name__ == "__main__":
    if "limited" in sys.argv:
        LIMIT.write_text("0")
    printed = Printed()
    # Wakes until it is killed.
    asyncio.run(KeepalivedProcess(printed, poll=0.1, fresh=0).run(printed.wake))
