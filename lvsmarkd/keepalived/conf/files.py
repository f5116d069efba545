"""One file, read without ever hanging on it."""

import os
import stat
from io import FileIO
from pathlib import Path

from msgspec import Struct

from lvsmarkd.keepalived.conf.bounds import MAX_BYTES
from lvsmarkd.model.shortage import shortage_sentence
from lvsmarkd.model.unknown import Unknown

_PIECE = 1 << 16


class Skipped(Struct, frozen=True):
    """A file that keepalived does not read either, and why, as a clause: it is not there, a
    directory, a pipe or the like, or it has an execute bit (lib/parser.c, check_glob_file).
    """

    reason: str


def read_file(path: str) -> bytes | Skipped | Unknown:
    """The bytes of a regular file; Skipped where keepalived reads none, Unknown where we cannot."""
    try:
        # Looked at before it is opened: to open some devices is to act on them.
        if refused := _refuse(Path(path).stat()):
            return refused
        # No waiting, should it have become a pipe in between.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb", buffering=0) as file:
            return _refuse(os.fstat(fd)) or _contents(_read(file))
    except FileNotFoundError:
        return Skipped("is not there")
    except PermissionError as error:
        return Unknown(
            f"cannot be read ({error.strerror}: let root or everybody read it, or give "
            "lvsmarkd's unit the drop-in private-files.conf)",
        )
    except MemoryError as error:
        return Unknown(f"cannot be read ({shortage_sentence(error)})")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Unknown(f"cannot be read ({reason})")


def _refuse(status: os.stat_result) -> Skipped | None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return Skipped("is a directory")
    if not stat.S_ISREG(mode):
        return Skipped("is a pipe, a socket or a device")
    # keepalived's own copy of what it has read is a memfd: mode 0777, and without a name.
    if mode & 0o111 and status.st_nlink:
        return Skipped("is executable, and keepalived skips such files")
    return None


def _read(file: FileIO) -> bytes | None:
    """All of it, or one byte more than is taken. Piece by piece: what is asked for at once is set
    aside at once, however small the file is.
    """
    data = bytearray()
    while len(data) <= MAX_BYTES:
        piece = file.read(_PIECE)
        if piece is None and not data:
            return None
        if not piece:
            break
        data += piece
    return bytes(data)


def _contents(data: bytes | None) -> bytes | Unknown:
    if data is None:  # some files of /proc have nothing to give yet
        return Unknown("cannot be read (there is nothing in it yet)")
    if len(data) > MAX_BYTES:
        return Unknown(f"is larger than {MAX_BYTES} bytes")
    return data
