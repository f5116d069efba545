"""The keepaliveds that are asked side by side: the one that is installed, and Debian 13's.

KEEPALIVED in the environment names one more: a command, as of one that was built from source.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lvsmarkd.keepalived.process.version import build_of
from lvsmarkd.model.running import Build

REPOSITORY = Path(__file__).parents[2]
FETCH_SECONDS = 600
INSTALLED = ("keepalived",)
_DEBIAN = {"debian 13": "trixie"}

EDITIONS = list(
    dict.fromkeys(["keepalived", *_DEBIAN, *filter(None, [os.environ.get("KEEPALIVED")])])
)
"""By names: what `command_of` takes."""


class Unobtainable(Exception):  # noqa: N818 - it is told as it is, and fails the test
    """A keepalived that cannot be had here, and why."""


def command_of(edition: str) -> tuple[str, ...]:
    """What starts it, without its options. Raises Unobtainable."""
    suite = _DEBIAN.get(edition)
    return tuple(shlex.split(edition)) if suite is None else _of_debian(suite)


@cache
def _of_debian(suite: str) -> tuple[str, ...]:
    fetch = ["sh", str(REPOSITORY / "packaging" / "keepalived-of.sh"), suite]
    done = subprocess.run(fetch, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    if done.returncode:
        raise Unobtainable(f"keepalived of {suite} cannot be had here: {done.stderr.strip()}")
    root = Path(done.stdout.strip())
    program = root / "usr/sbin/keepalived"
    (loader,) = {file.resolve() for file in root.glob("usr/lib*/ld-linux*.so.*")}
    libraries = {str(file.parent) for file in root.glob("usr/lib/*/libnl-3.so*")}
    return (
        str(loader),
        *("--argv0", str(program), "--library-path", os.pathsep.join(sorted(libraries))),
        str(program),
    )


def build_asked(command: Sequence[str]) -> Build:
    """Which keepalived a command starts."""
    asked = [*command, "--version"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    build = build_of(done.stderr + done.stdout)
    assert build is not None, f"{' '.join(command)} tells no version: {done.stderr!r}"
    return build
