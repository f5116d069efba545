"""The queues at which programs listen for packets that rules hand over to them (NFQUEUE).

/proc/net/netfilter/nfnetlink_queue has a line for each, its number first
(net/netfilter/nfnetlink_queue.c, seq_show).
"""

from pathlib import Path

_QUEUES = Path("/proc/thread-self/net/netfilter/nfnetlink_queue")
"""Of the calling thread's network namespace."""


def listened_queues(path: Path = _QUEUES) -> frozenset[int] | None:
    """The numbers of the queues; None where it cannot be read. A kernel without the module has
    none.
    """
    try:
        return frozenset(int(line.split()[0]) for line in path.read_text().splitlines())
    except FileNotFoundError:
        return frozenset() if path.parent.is_dir() else None
    except (OSError, ValueError, IndexError):
        return None
