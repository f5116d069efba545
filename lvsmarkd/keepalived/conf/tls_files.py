"""The files that ``SSL`` names: with an SSL_GET, the checker does not start where it cannot load
one (check/check_ssl.c, build_ssl_ctx).
"""

import stat
from pathlib import Path

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.logical import LogicalLine
from lvsmarkd.model.origin import Origin, Problem

_KEYWORDS = ("certificate", "key", "ca")
"""In the order in which they are loaded."""
_BEGINS = b"-----BEGIN"
_ENOUGH = 1 << 20
"""Bytes: a file of certificates has such a line before that."""


class TlsFile(Struct, frozen=True):
    """One of them, by its keyword."""

    keyword: str
    path: str
    origin: Origin


class TlsFiles(Struct):
    """What is read of ``SSL``, and whether anything needs it."""

    wanted: bool = False
    """There is an SSL_GET."""
    _files: dict[str, TlsFile] = field(default_factory=dict)

    def begin(self) -> bool:
        """``SSL``: it replaces an earlier one. Whether there was one, which is warned of."""
        again = bool(self._files)
        self._files.clear()
        return again

    def line(self, line: LogicalLine) -> None:
        """A line of its block; the last of one kind counts."""
        match line.words:
            case [str(keyword), str(path), *_] if keyword in _KEYWORDS:
                self._files[keyword] = TlsFile(keyword, path, line.origin)

    def loaded(self) -> tuple[TlsFile, ...]:
        """Those that the checker loads."""
        if not self.wanted:
            return ()
        return tuple(self._files[keyword] for keyword in _KEYWORDS if keyword in self._files)


def unloadable(file: TlsFile) -> Problem | None:
    """Why keepalived does not start with such a file; None where it does, or it is not known:
    a relative name depends on where keepalived stands, and it may read what we may not.
    """
    path = Path(file.path)
    if not path.is_absolute() or (reason := _reason(path)) is None:
        return None
    return Problem(
        file.origin,
        f"{file.keyword} {file.path} {reason}, and there is an SSL_GET, so that keepalived ends "
        "when it starts its checker and nothing is programmed: write the file, or remove the line",
        fatal=True,
    )


def _reason(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "is no file" if path.is_dir() else None
        with path.open("rb") as file:
            content = file.read(_ENOUGH)
    except (FileNotFoundError, NotADirectoryError):
        return "is not there"
    except (OSError, ValueError):
        return None
    return None if _BEGINS in content or len(content) == _ENOUGH else "holds nothing in PEM"
