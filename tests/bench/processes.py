"""What a process costs, by the kernel's account."""

import os
import subprocess
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage


def cpu(pid: int) -> float:
    """Seconds of a core up to now, of the children that ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cpu_of(*arguments: str) -> float:
    """Seconds of a core that a program takes from start to end, with its own children's."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True, timeout=60)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(pid: int) -> float:
    """MiB that are resident now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024
