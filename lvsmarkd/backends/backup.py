"""Copies for the operator: of what was there before the first write ever, of what is removed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from lvsmarkd.kernel.own_files import write_whole
from lvsmarkd.netfilter.errors import FirewallError, Trouble


def _now() -> datetime:
    return datetime.now(UTC)


class Backup(Struct):
    """Saves into a directory that is only ours: each file whole or not at all."""

    directory: Path
    now: Callable[[], datetime] = _now
    _done: set[str] = field(default_factory=set)

    def save_once(self, name: str, contents: Callable[[], Mapping[str, bytes]]) -> None:
        """Save a copy of that name, unless an earlier one is there.

        ``contents`` gives its files, each named by what follows the time in its name; the one
        that is called ``name`` comes last, so that where it is, all are. Raises FirewallError
        (GONE) where it cannot be saved: then nothing may be written to the firewall either.
        """
        if name in self._done:
            return
        if not any(self.directory.glob(f"*-{name}")):
            stamp = self._stamp()
            for each, content in contents().items():
                _keep(self.directory / f"{stamp}-{each}", content)
        self._done.add(name)

    def keep(self, name: str, content: bytes) -> Path:
        """Save a copy, each with its time, but for one of which the last one of that name says the
        same; gives where it is. Raises FirewallError (GONE) as ``save_once``.
        """
        path = self.directory / f"{self._stamp()}-{name}"
        try:
            for last in sorted(self.directory.glob(f"*-{name}"))[-1:]:
                if last.read_bytes() == content:
                    return last
        except OSError:
            pass  # one more, then
        _keep(path, content)
        return path

    def _stamp(self) -> str:
        return self.now().strftime("%Y%m%dT%H%M%SZ")


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, content)
    except OSError as error:
        raise FirewallError(
            Trouble.GONE,
            f"the rules as they are could not be saved to {path} ({error.strerror}), and"
            " nothing is written before they are: make the directory writable",
        ) from error
