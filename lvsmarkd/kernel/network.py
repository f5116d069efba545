"""Whether a process lives in our network namespace, as /proc tells everybody.

The links under /proc/PID/ns are shown to those only who may trace the process. The files under
/proc/PID/net are there for all, and each namespace has its own, with inodes that no other has
(proc_generic.c, proc_alloc_inum; measured).
"""

from pathlib import Path


def same_network(pid: int, proc: Path = Path("/proc")) -> bool | None:
    """Whether it is in the calling thread's network namespace; None where that is not seen."""
    try:
        theirs = (proc / str(pid) / "net" / "dev").stat()
        ours = (proc / "thread-self" / "net" / "dev").stat()
    except OSError:
        return None
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)
