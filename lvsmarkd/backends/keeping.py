"""Files that are kept for the operator: whole or not at all, and only for him to read."""

from pathlib import Path

from lvsmarkd.kernel.own_files import write_whole
from lvsmarkd.netfilter.errors import FirewallError, Trouble


def keep(path: Path, content: bytes) -> None:
    """Write a file of the state directory so that it is there whole or not at all.

    Raises FirewallError (GONE) where that cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, content)
    except OSError as error:
        raise FirewallError(
            Trouble.GONE,
            f"the rules as they are could not be saved to {path} ({error.strerror}), and"
            " nothing is written before they are: make the directory writable",
        ) from error
