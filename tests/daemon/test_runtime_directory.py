"""Somebody removes /run/lvsmarkd, or what is in it, under a running daemon."""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lvsmarkd.daemon.runtime_directory import RuntimeDirectory, RuntimeDirectoryError
from lvsmarkd.reconcile.paths import DaemonPaths, LockedError, take_lock

SOON = 0.02


class Ground:
    """A runtime directory whose socket is a plain file; ``served`` counts how often it was made."""

    def __init__(self, directory: Path) -> None:
        self.paths = DaemonPaths(directory / "run", directory / "state")
        self.served = 0
        self.error: OSError | None = None
        self.handle = take_lock(self.paths.lock)
        self.paths.socket.touch()

    async def serve(self) -> None:
        if self.error is not None:
            raise self.error
        self.served += 1
        self.paths.socket.touch()

    def watched(self, script: Callable[[], Awaitable[None]]) -> None:
        """Play a script while it is looked after; raises what the watch ends with."""

        async def play() -> None:
            keeping = asyncio.create_task(RuntimeDirectory(self.paths, self.serve, SOON).keep())
            playing = asyncio.ensure_future(script())
            try:
                async with asyncio.timeout(10):
                    await asyncio.wait([keeping, playing], return_when=asyncio.FIRST_COMPLETED)
                if keeping.done():
                    keeping.result()
                playing.result()
            finally:
                keeping.cancel()
                playing.cancel()

        asyncio.run(play())

    async def until_served(self, times: int) -> None:
        while self.served < times:
            await asyncio.sleep(SOON)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def _locked(path: Path) -> bool:
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def test_what_is_removed_is_made_anew_and_locked(ground: Ground) -> None:
    async def script() -> None:
        shutil.rmtree(ground.paths.runtime)
        await ground.until_served(1)
        assert _locked(ground.paths.lock)
        ground.paths.socket.unlink()
        await ground.until_served(2)
        await asyncio.sleep(5 * SOON)
        assert ground.served == 2

    ground.watched(script)


def test_where_all_is_there_nothing_is_done(ground: Ground) -> None:
    async def script() -> None:
        await asyncio.sleep(5 * SOON)

    ground.watched(script)
    assert ground.served == 0


def test_where_another_daemon_was_first_this_one_ends(ground: Ground) -> None:
    async def script() -> None:
        shutil.rmtree(ground.paths.runtime)
        take_lock(ground.paths.lock)
        await asyncio.sleep(10)

    with pytest.raises(LockedError):
        ground.watched(script)


def test_a_directory_that_only_systemd_may_make_is_an_end_with_a_sentence(ground: Ground) -> None:
    ground.error = OSError(errno.EROFS, os.strerror(errno.EROFS))

    async def script() -> None:
        shutil.rmtree(ground.paths.runtime)
        await asyncio.sleep(10)

    with pytest.raises(RuntimeDirectoryError, match=r"Read-only file system.*the rules stay"):
        ground.watched(script)


def test_what_a_later_try_may_mend_is_tried_again_and_told_once(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    ground.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def script() -> None:
        shutil.rmtree(ground.paths.runtime)
        await asyncio.sleep(10 * SOON)
        ground.error = None
        await ground.until_served(1)

    ground.watched(script)
    assert caplog.text.count("No space left on device") == 1
