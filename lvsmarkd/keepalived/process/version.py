"""The version of an installed keepalived."""

import re
import subprocess

from lvsmarkd.model.running import Version
from lvsmarkd.model.shortage import is_shortage

TIMEOUT = 5.0
"""Seconds; it takes some milliseconds (measured)."""
_VERSION = re.compile(rb"\bKeepalived v(\d+)\.(\d+)(?:\.(\d+))?")


def installed_version(executable: str | None) -> Version | None:
    """Ask an executable (an absolute path) for its version; None where it does not tell.

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
    found = _VERSION.search(done.stderr + done.stdout)
    if found is None:
        return None
    major, minor, patch = found.groups(b"0")
    return int(major), int(minor), int(patch)
