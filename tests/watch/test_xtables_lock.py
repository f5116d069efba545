"""The xtables lock, with the real iptables-legacy."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.xtables_lock import XtablesLock, lock_path
from tests.harness.netns import run
from tests.watch.hearing import Hearing, running

pytestmark = pytest.mark.netns
WRITE = ("iptables-legacy", "-t", "mangle", "-A", "PREROUTING", "-j", "ACCEPT")


@pytest.fixture
def lock(netns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "run" / "xtables.lock"
    path.parent.mkdir()
    monkeypatch.setenv("XTABLES_LOCKFILE", str(path))
    assert lock_path() == str(path)
    return path


def test_every_write_wakes_also_the_first_and_after_the_file_was_removed(lock: Path) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(XtablesLock(hearing, str(lock)), hearing):
            for removed in (False, False, True):
                if removed:
                    lock.unlink()  # noqa: ASYNC240 - of a file nobody waits for
                await asyncio.to_thread(run, *WRITE)
                await hearing.until(lambda: hearing.wakes == [Wake(Trigger.LOCK)])
                await hearing.calm()

    asyncio.run(check())


def test_the_wake_comes_after_the_write(lock: Path) -> None:
    lock.touch()

    async def check() -> None:
        hearing = Hearing()
        async with running(XtablesLock(hearing, str(lock)), hearing):
            restore = await asyncio.create_subprocess_exec(
                "iptables-legacy-restore", "--noflush", stdin=asyncio.subprocess.PIPE
            )
            assert restore.stdin is not None
            restore.stdin.write(b"*mangle\n-A PREROUTING -j ACCEPT\n")
            await restore.stdin.drain()
            await hearing.silence()  # it holds the lock, and has written nothing
            restore.stdin.write(b"COMMIT\n")
            restore.stdin.close()
            await hearing.until(lambda: hearing.wakes)
            assert "-j ACCEPT" in run("iptables-legacy-save", "-t", "mangle")

    asyncio.run(check())


def test_what_does_not_take_the_lock_does_not_wake(lock: Path) -> None:
    lock.touch()

    async def check() -> None:
        hearing = Hearing()
        async with running(XtablesLock(hearing, str(lock)), hearing):
            await asyncio.to_thread(run, "iptables-legacy-save")
            (lock.parent / "other.pid").write_text("1")
            (lock.parent / "other.pid").read_text()
            (lock.parent / "other.pid").unlink()
            await hearing.silence()

    asyncio.run(check())


def test_its_directory_may_come_later_and_be_made_again(lock: Path) -> None:
    lock.parent.rmdir()

    async def check() -> None:
        hearing = Hearing()
        async with running(XtablesLock(hearing, str(lock)), hearing):
            for _ in range(2):
                lock.parent.mkdir()
                await hearing.until(lambda: hearing.wakes)
                await hearing.calm()
                await asyncio.to_thread(run, *WRITE)
                await hearing.until(lambda: Wake(Trigger.LOCK) in hearing.wakes)
                shutil.rmtree(lock.parent)
                await hearing.calm()

    asyncio.run(check())
