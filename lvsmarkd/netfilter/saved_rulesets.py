"""Files of nft's that hold a table that is the daemon's own: nft refuses such a file as a whole.

`nft list ruleset > file` writes the guard's table too. While its owner lives, nobody else may add
to it (EPERM), and a file is one transaction: of what else is in it nothing is loaded either.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, field

from lvsmarkd.model.guard import GUARD_TABLE
from lvsmarkd.model.origin import Origin

FILES = (Path("/etc/nftables.conf"), Path("/etc/sysconfig/nftables.conf"))
"""What Debian's unit and Red Hat's load."""
_MOST_FILES = 100
_MOST_BYTES = 4 << 20
_TABLE = re.compile(rf"\s*(?:add\s+|create\s+)?table\s+inet\s+{GUARD_TABLE}\b")
_INCLUDE = re.compile(r'\s*include\s+"([^"]+)"')
_Stamp = tuple[int, int, int]


class SavedRulesets(Struct):
    """Looks into the files, again where one of them changed. For one thread at a time."""

    files: tuple[Path, ...] = FILES
    _stamps: dict[Path, _Stamp | None] = field(default_factory=dict)
    _found: tuple[Origin, ...] | None = None

    def with_guard(self) -> tuple[Origin, ...]:
        """Where the guard's table begins in them. What cannot be read has none."""
        if self._found is None or any(_stamp(p) != s for p, s in self._stamps.items()):
            self._stamps = {}
            self._found = tuple(self._look(self.files))
        return self._found

    def _look(self, paths: Iterable[Path]) -> Iterator[Origin]:
        for path in paths:
            if path in self._stamps or len(self._stamps) >= _MOST_FILES:
                continue
            self._stamps[path] = stamp = _stamp(path)
            if stamp is None or stamp[1] > _MOST_BYTES:
                continue
            try:
                text = path.read_text(errors="replace")
            except OSError:
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if _TABLE.match(line):
                    yield Origin(str(path), number)
                if (include := _INCLUDE.match(line)) is not None:
                    yield from self._look(_matching(include[1], path.parent))


def _matching(pattern: str, beside: Path) -> list[Path]:
    """The files that an include names; a relative one is looked for beside the file."""
    named = Path(pattern)
    base = Path(named.anchor) if named.is_absolute() else beside
    try:
        return sorted(base.glob(str(named.relative_to(named.anchor))))
    except (OSError, ValueError, NotImplementedError):
        return []


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
