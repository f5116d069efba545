"""keepalived's start, reload and end, heard with the real one."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lvsmarkd.keepalived.process.discovery import find_keepalived
from lvsmarkd.keepalived.process.running_copy import read_running_copy
from lvsmarkd.model.keepalived import Completeness, Reading
from lvsmarkd.model.running import RunningKeepalived
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.keepalived_process import KeepalivedProcess
from tests.harness.daemon import until
from tests.harness.keepalived import RUN, Director, Keepaliveds
from tests.keepalived.cases import server
from tests.watch.hearing import Hearing, running

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("netns")]

PATIENT = 60.0
"""Seconds between looks: what is heard sooner was told by an event."""
HEARD = [Wake(Trigger.KEEPALIVED)]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(server(21))
    return path


def marks_read() -> list[int]:
    seen = find_keepalived()
    assert isinstance(seen, RunningKeepalived)
    reading = read_running_copy(seen)
    assert isinstance(reading, Reading)
    assert reading.completeness is Completeness.WHOLE
    return [service.key.mark for service in reading.services]


async def within_a_second(hearing: Hearing) -> None:
    async with asyncio.timeout(1):
        await hearing.until(lambda: hearing.wakes)


def test_start_reload_and_end_wake_at_once_and_a_save_does_not(
    keepaliveds: Keepaliveds, conf: Path
) -> None:
    def save(mark: int) -> None:
        conf.write_text(server(mark))

    async def check() -> None:
        hearing = Hearing()
        async with running(KeepalivedProcess(hearing, poll=PATIENT), hearing):
            await hearing.silence()
            with keepaliveds.running(conf) as director:
                await within_a_second(hearing)
                assert marks_read() == [21]
                await hearing.calm()

                save(22)
                await hearing.silence()
                for mark in (22, 23):
                    save(mark)
                    director.reload()
                    await within_a_second(hearing)
                    assert hearing.wakes == HEARD
                    assert marks_read() == [mark]
                    await hearing.calm()

                director.stop()
                await within_a_second(hearing)
                await hearing.calm()
        assert hearing.ups == ["keepalived"]
        assert hearing.downs == []

    asyncio.run(check())


def test_the_wake_comes_when_the_copy_is_whole_again(keepaliveds: Keepaliveds, conf: Path) -> None:
    # Slow to read: each directory is searched through.
    parts = conf.parent / "parts"
    for number in range(300):
        (parts / str(number)).mkdir(parents=True)
        (parts / str(number) / "a.conf").write_text(server(number + 1))

    async def check(director: Director) -> None:
        hearing = Hearing()
        async with running(KeepalivedProcess(hearing, poll=PATIENT, fresh=0), hearing):
            await asyncio.to_thread(director.reload)
            await hearing.until(lambda: hearing.wakes)
            assert len(marks_read()) == 300

    with keepaliveds.running(conf) as director:
        conf.write_text("include parts/*/*.conf\n")
        asyncio.run(check(director))


def test_what_happens_beside_it_does_not_wake(keepaliveds: Keepaliveds, conf: Path) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(KeepalivedProcess(hearing, poll=PATIENT, fresh=0), hearing):
            (RUN / "other.pid").write_text("1\n")
            (RUN / "keepalived.pid").touch()
            find_keepalived()
            marks_read()
            await hearing.silence()

    with keepaliveds.running(conf):
        asyncio.run(check())


def test_a_look_finds_what_no_event_tells(keepaliveds: Keepaliveds, conf: Path) -> None:
    async def check() -> None:
        hearing = Hearing()
        # Its pid file comes where nobody looks.
        elsewhere = conf.parent / "run"
        elsewhere.mkdir()
        source = KeepalivedProcess(hearing, poll=0.05, run_directory=elsewhere)
        async with running(source, hearing):
            with keepaliveds.running(conf, "-p", str(conf.with_name("pid"))):
                await hearing.until(lambda: hearing.wakes)
                assert set(hearing.wakes) == set(HEARD)
                await hearing.calm()

    asyncio.run(check())


@pytest.mark.parametrize("fresh", [True, False])
def test_one_that_came_just_before_the_first_look_wakes(
    keepaliveds: Keepaliveds, conf: Path, fresh: bool
) -> None:
    async def check() -> None:
        hearing = Hearing()
        source = KeepalivedProcess(hearing, poll=PATIENT, fresh=30.0 if fresh else 0.0)
        async with running(source, hearing):
            if fresh:
                await hearing.until(lambda: hearing.wakes == HEARD)
                hearing.wakes.clear()
            await hearing.silence()

    with keepaliveds.running(conf):
        asyncio.run(check())


def test_where_processes_are_hidden_it_says_so_and_hears_the_rest(tmp_path: Path) -> None:
    nowhere = tmp_path / "proc"

    async def check() -> None:
        hearing = Hearing()
        source = KeepalivedProcess(
            hearing, lambda known: find_keepalived(nowhere, known=known), poll=0.02
        )
        task = asyncio.create_task(source.run(hearing.wake))
        await hearing.until(lambda: hearing.downs)
        await hearing.silence()
        task.cancel()
        await asyncio.wait([task])
        ((name, reason),) = hearing.downs
        assert name == "keepalived"
        assert "hidepid" in reason

    asyncio.run(check())


@dataclass(slots=True)
class Follower:
    """The source in a process of its own; ``lines`` is what it has told."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def said(self, text: str, times: int = 1) -> None:
        until(lambda: self.count(text) >= times, f"{text} in {self.lines}", seconds=5)

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)


@contextmanager
def follower(*prefix: str, limited: bool = False) -> Iterator[Follower]:
    script = Path(__file__).with_name("following_keepalived.py")
    with subprocess.Popen(
        [*prefix, sys.executable, str(script), *(["limited"] if limited else [])],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        follows = Follower(process)
        ear = threading.Thread(target=follows.listen)
        ear.start()
        try:
            # It tells how much it hears before all else.
            until(lambda: follows.lines)
            yield follows
        finally:
            process.kill()
            ear.join()


@pytest.mark.parametrize(
    "who", [["--reuid=65534", "--clear-groups"], ["--bounding-set=-sys_ptrace"]]
)
def test_without_the_right_to_trace_it_is_not_down_and_hears_start_and_end(
    keepaliveds: Keepaliveds, conf: Path, who: list[str]
) -> None:
    with follower("setpriv", *who) as follows, keepaliveds.running(conf) as director:
        follows.said("wake")
        time.sleep(0.3)
        # What is missing is a finding; for what a reload comes to, IPVS is looked at.
        assert {line.strip() for line in follows.lines} == {"up", "wake"}
        wakes = follows.count("wake")
        director.stop()
        follows.said("wake", wakes + 1)


def test_at_inotifys_limits_it_looks(keepaliveds: Keepaliveds, conf: Path) -> None:
    with follower("unshare", "--user", "--map-root-user", limited=True) as follows:
        assert "fs.inotify.max_user_instances" in follows.lines[0]
        assert "every 0.1 s" in follows.lines[0]
        with keepaliveds.running(conf) as director:
            follows.said("wake")
            wakes = follows.count("wake")
            director.stop()
            follows.said("wake", wakes + 1)
