"""Which names a pattern of an include matches: the C library's fnmatch is the witness."""

import ctypes
from pathlib import Path

import pytest

from lvsmarkd.keepalived.conf.globbing import matches_of

NAMES = ["a.c", ":.c", "[.c", "x.c", "b.c", "z.c", "]c", "a]c", "1.c", "Z.c", "ab.c", "-.c", "^.c"]
PATTERNS = [
    "*.c", "?.c", "[ab].c", "[!ab].c", "[^ab].c", "[a-x].c", "[x-a].c", "[]a]c", "[a\\]].c",
    "[\\[:x].c", "[a\\].c", "[b\\].c", "[]^\\:].c", "\\[.c", "[[:alpha:]].c", "[^[:digit:]].c",
    "[[:upper:]b].c", "[[:al:]].c", "[[:a:x].c", "[[:a:b:].c", "[[:alpha:x]z].c", "[zaz[:b:]].c",
    "[z[:zero:]].c", "[!z[:b:]].c", "[a", "[.c", "a]c", "[-a].c", "[a-].c", "*\\", "[a-\\x].c",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_matches_what_the_c_library_matches(tmp_path: Path, pattern: str) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    libc = ctypes.CDLL(None)
    wanted = [name for name in NAMES if libc.fnmatch(pattern.encode(), name.encode(), 0) == 0]
    found = [Path(name).name for name in matches_of(pattern, str(tmp_path)).names]
    assert sorted(found) == sorted(wanted)
