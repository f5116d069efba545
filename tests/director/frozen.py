"""Machines that are made once, and frozen at work: each test then has one of its own in a second or
two, where a boot takes twenty.

A frozen machine is kept beside the image, by what it was made of: another package under test, or a
change of how it is made, makes another.
"""

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.director.agent import PATIENCE, GuestError, connected
from tests.director.guest import CORES, Guest, Image, until

_KEEP = 86400.0
"""Seconds for which one that is no longer made is kept: another checkout may still use it."""


def qemu() -> bytes:
    """Which machine this is: one does not wake what another has frozen."""
    version = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, check=True, timeout=60
    ).stdout
    return version + CORES.encode()


def frozen(
    kind: str, base: Image, sources: Iterable[bytes], make: Callable[[Guest], None]
) -> Image:
    """The machine that ``make`` makes of ``base``: from the cache where these sources have made one
    before."""
    key = hashlib.sha256(str(base.disk).encode())
    for source in sources:
        key.update(hashlib.sha256(source).digest())
    directory = base.boot / f"{kind}-{key.hexdigest()[:16]}"
    image = Image(base.boot, directory / "disk.qcow2", directory / "memory")
    with (base.boot / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _forget_old(base.boot, kind)
            with Guest(base) as guest:
                guest.start()
                make(guest)
                _freeze(guest, directory)
    os.utime(directory)
    return image


def _freeze(guest: Guest, directory: Path) -> None:
    """Write its memory and its disk to a directory; it ends."""
    # Written under another name: one that is not whole is none.
    new = directory.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    with (
        connected(guest.monitor, lambda: None) as monitor,
        monitor.makefile("rw") as talk,
    ):
        monitor.settimeout(PATIENCE)

        def ask(what: str, **arguments: object) -> Any:  # noqa: ANN401 - what JSON holds
            talk.write(json.dumps({"execute": what, "arguments": arguments}) + "\n")
            talk.flush()
            while True:
                answer = json.loads(talk.readline())
                if "error" in answer:
                    raise GuestError(f"QEMU: {what}: {answer['error']}")
                if "return" in answer:
                    return answer["return"]

        talk.readline()  # its greeting
        ask("qmp_capabilities")
        ask("migrate-set-parameters", **{"max-bandwidth": 1 << 34})
        ask("migrate", uri=f"exec:cat > {shlex.quote(str(new / 'memory'))}")

        def written() -> bool:
            state = ask("query-migrate")
            if state.get("status") == "failed":
                raise GuestError(f"{guest.name} cannot be frozen: {state}")
            return bool(state.get("status") == "completed")

        until(written, "its memory on disk", PATIENCE, 0.1)
        ask("quit")
    guest.process.wait(PATIENCE)
    shutil.move(guest.disk, new)
    new.rename(directory)


def _forget_old(beside: Path, kind: str) -> None:
    for old in beside.glob(f"{kind}-*"):
        if time.time() - old.stat().st_mtime > _KEEP:
            shutil.rmtree(old, ignore_errors=True)
