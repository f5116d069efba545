"""Which keepalived is installed: its version, and what it was built with."""

import re
import subprocess

from lvsmarkd.model.running import Build, BuildOption
from lvsmarkd.model.shortage import is_shortage

TIMEOUT = 5.0
"""Seconds; it takes some milliseconds (measured)."""
_VERSION = re.compile(rb"\bKeepalived v(\d+)\.(\d+)(?:\.(\d+))?")
_OPTIONS = re.compile(rb"^(?:Config|System) options: *(.*)$", re.MULTILINE)
_LISTED_WHERE_LACKING = {
    BuildOption.LINKBEAT: b"NO_LINKBEAT",
    BuildOption.TRACK_PROCESS: b"DISABLE_TRACK_PROCESS",
}


def installed_build(executable: str | None) -> Build | None:
    """Ask an executable (an absolute path) which keepalived it is; None where it does not tell.

    This starts a program: keep the answer for as long as keepalived's process is the same.
    Raises OSError where descriptors or memory are lacking: that is no answer to keep.
    """
    if executable is None:
        return None
    try:
        done = subprocess.run(
            [executable, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            env={"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        if is_shortage(error):
            raise
        return None
    # It prints to stderr (core/main.c).
    return build_of(done.stderr + done.stdout)


def build_of(told: bytes) -> Build | None:
    """What ``keepalived --version`` tells; None where that is no version."""
    found = _VERSION.search(told)
    if found is None:
        return None
    major, minor, patch = found.groups(b"0")
    return Build((int(major), int(minor), int(patch)), _lacks(told))


def _lacks(told: bytes) -> frozenset[BuildOption]:
    lines = _OPTIONS.findall(told)
    if len(lines) < 2:
        return frozenset()  # it does not tell
    listed = {word for line in lines for word in line.split()}
    return frozenset(
        option
        for option in BuildOption
        if (
            _LISTED_WHERE_LACKING[option] in listed
            if option in _LISTED_WHERE_LACKING
            else option.value.encode() not in listed
        )
    )
