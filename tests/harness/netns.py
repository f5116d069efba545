"""A private network namespace for this very process, so that nothing of the machine is touched.

The main thread moves into it, and so does all that it starts from then on: programs, threads.
It never moves back: a later call moves on into a fresh one.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.daemon import until

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_REC_PRIVATE = 16384 | (1 << 18)
_libc = ctypes.CDLL(None, use_errno=True)


def _unshare(what: int) -> None:
    if _libc.unshare(what) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}; these tests need root")


def enter_fresh() -> None:
    """Move into a new network namespace whose loopback is up."""
    before = os.readlink("/proc/self/ns/net")
    _unshare(_CLONE_NEWNET)
    assert os.readlink("/proc/self/ns/net") != before
    run("ip", "link", "set", "lo", "up")


def private_mounts() -> None:
    """Move into a new mount namespace, with a /run of its own (the xtables lock lives there)."""
    _unshare(_CLONE_NEWNS)
    if _libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "mount --make-rprivate /")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")


@contextmanager
def neighbour() -> Iterator[str]:
    """Another network namespace, by the process id of one that is in it until the block ends."""
    ours = os.readlink("/proc/self/ns/net")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours, "its namespace")
        yield str(holder.pid)
    finally:
        holder.kill()
        holder.wait()


def run(*arguments: str, stdin: str = "", check: bool = True, timeout: float = 30) -> str:
    """Run a program in the namespace; gives what it printed."""
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def as_nobody(code: str) -> "subprocess.CompletedProcess[str]":
    """What Python code of this tree comes to without any right."""
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def use_variant(directory: Path, variant: str) -> str:
    """Make ``iptables`` mean one variant, as Debian's alternatives do; gives the PATH."""
    directory.mkdir(exist_ok=True)
    for stem in ("iptables", "ip6tables"):
        for tail in ("", "-save", "-restore"):
            real = shutil.which(f"{stem}-{variant}{tail}", path=f"{os.environ['PATH']}:/usr/sbin")
            assert real, f"{stem}-{variant}{tail} is not installed"
            link = directory / f"{stem}{tail}"
            link.unlink(missing_ok=True)
            link.symlink_to(real)
    return f"{directory}:{os.environ['PATH']}:/usr/sbin:/sbin"
