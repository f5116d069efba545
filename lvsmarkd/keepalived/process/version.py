"""Which keepalived is installed: its version, and what it was built with."""

import re

from lvsmarkd.kernel.program import Patience, ProgramError, run
from lvsmarkd.model.running import Build, BuildOption
from lvsmarkd.model.shortage import is_shortage

_PATIENCE = Patience(timeout=5.0, output=1 << 20)
"""It takes some milliseconds, and prints some 4 KiB (measured)."""
_VERSION = re.compile(r"\bKeepalived v(\d+)\.(\d+)(?:\.(\d+))?")
_OPTIONS = re.compile(r"^(?:Config|System) options: *(.*)$", re.MULTILINE)
_LISTED_WHERE_LACKING = {
    BuildOption.LINKBEAT: "NO_LINKBEAT",
    BuildOption.TRACK_PROCESS: "DISABLE_TRACK_PROCESS",
}


def installed_build(executable: str | None) -> Build | None:
    """Ask an executable (an absolute path) which keepalived it is; None where it does not tell.

    This starts a program: keep the answer for as long as keepalived's process is the same.
    Raises OSError where descriptors or memory are lacking: that is no answer to keep.
    """
    if executable is None:
        return None
    try:
        done = run(
            [executable, "--version"],
            environment={"LC_ALL": "C"},
            patience=_PATIENCE,
        )
    except ProgramError as error:
        if error.__cause__ is not None and is_shortage(error.__cause__):
            raise error.__cause__ from None
        return None
    # It prints to stderr (core/main.c).
    return build_of(done.error + done.output)


def build_of(told: str) -> Build | None:
    """What ``keepalived --version`` tells; None where that is no version."""
    found = _VERSION.search(told)
    if found is None:
        return None
    major, minor, patch = found.groups("0")
    return Build((int(major), int(minor), int(patch)), _lacks(told))


def _lacks(told: str) -> frozenset[BuildOption]:
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
            else option.value not in listed
        )
    )
