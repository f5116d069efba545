"""SIGHUP: a reason to look, and what systemd hears of it. The app over a firewall on paper."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lvsmarkd.daemon.app import App
from lvsmarkd.daemon.pause import Pause
from lvsmarkd.daemon.telemetry import Telemetry
from lvsmarkd.daemon.watchers import Watchers
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from lvsmarkd.reconcile.paths import DaemonPaths
from lvsmarkd.reconcile.reconciler import Reconciler
from lvsmarkd.telemetry import notify
from tests.harness.control import WEB
from tests.harness.paper import PaperFirewall


class Deaf(Watchers):
    """No source: passes are made when the test says so."""

    def start(self, wake: Callable[[Wake], None]) -> None:
        pass


class Stage:
    """An app whose passes wait at the firewall for a word of the test."""

    def __init__(self, directory: Path) -> None:
        self.conf = directory / "keepalived.conf"
        self.conf.write_text(WEB)
        toml = directory / "lvsmarkd.toml"
        toml.write_text("[metrics]\nlisten = []\n")
        (directory / "run").mkdir()
        self.begun = 0
        self.fails = False
        self._go = threading.Semaphore(0)
        self.paper = PaperFirewall(before_read=self._read)
        telemetry = Telemetry()
        inputs = InputReader.open(InputPaths(toml, self.conf))
        self.app = App(
            inputs,
            Reconciler(inputs, self.paper),
            DaemonPaths(directory / "run", directory / "state"),
            telemetry,
            Deaf(telemetry, 60.0, follow_keepalived=False),
            Pause(directory / "run" / "pause.json"),
        )

    def _read(self) -> None:
        self.begun += 1
        assert self._go.acquire(timeout=10)
        if self.fails:
            raise ValueError("a bug of ours")

    async def begins(self, reading: int) -> None:
        """Wait until a pass reads the firewall for this time."""
        while self.begun < reading:
            await asyncio.sleep(0.001)

    def go_on(self, readings: int = 1) -> None:
        for _ in range(readings):
            self._go.release()

    def play(self, script: Callable[["Stage"], Awaitable[None]]) -> None:
        """Run the app, and the script beside it from the end of the first pass on."""

        async def both() -> None:
            running = asyncio.create_task(self.app.run())
            try:
                async with asyncio.timeout(20):
                    await script(self)
            finally:
                self.go_on(100)
                os.kill(os.getpid(), signal.SIGTERM)
                await running

        asyncio.run(both())


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemd hears, one word after the other."""
    words: list[str] = []
    monkeypatch.setattr(notify, "notify", lambda text: words.append(text.split("=")[0]))
    return words


def hup() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


async def hears(said: list[str], word: str, times: int) -> None:
    while said.count(word) < times:
        await asyncio.sleep(0.001)


async def started(stage: Stage, said: list[str]) -> None:
    """The first pass: it reads, writes, and reads again."""
    stage.go_on(2)
    await hears(said, "READY", 1)


def test_ready_is_said_after_a_pass_that_began_after_the_signal(
    tmp_path: Path, said: list[str]
) -> None:
    async def script(stage: Stage) -> None:
        await started(stage, said)
        stage.app.loop.wake(Wake(Trigger.TIMER))
        await stage.begins(3)
        hup()
        await hears(said, "RELOADING", 1)
        stage.go_on()  # the pass that was under way ends
        await stage.begins(4)
        assert said.count("READY") == 1
        stage.go_on()
        await hears(said, "READY", 2)

    Stage(tmp_path).play(script)
    assert said[-1] == "STOPPING"


def test_a_signal_during_the_first_pass_waits_for_a_second_one(
    tmp_path: Path, said: list[str]
) -> None:
    async def script(stage: Stage) -> None:
        await stage.begins(1)
        hup()
        await hears(said, "RELOADING", 1)
        stage.go_on(2)
        await stage.begins(3)
        assert "READY" not in said
        stage.go_on()
        await hears(said, "READY", 1)

    Stage(tmp_path).play(script)


def test_each_of_many_signals_is_answered_by_a_pass_of_its_own_or_a_common_one(
    tmp_path: Path, said: list[str]
) -> None:
    async def script(stage: Stage) -> None:
        await started(stage, said)
        hup()
        await stage.begins(3)
        hup()
        await hears(said, "RELOADING", 2)
        stage.go_on()
        await stage.begins(4)
        assert said.count("READY") == 1, "the second signal is not answered yet"
        stage.go_on()
        await hears(said, "READY", 2)

    Stage(tmp_path).play(script)


def test_a_pass_that_fails_ends_only_the_reload_that_it_answers(
    tmp_path: Path, said: list[str]
) -> None:
    async def script(stage: Stage) -> None:
        await started(stage, said)
        stage.fails = True
        stage.app.loop.wake(Wake(Trigger.TIMER))
        await stage.begins(3)
        hup()
        await hears(said, "RELOADING", 1)
        stage.go_on()
        await stage.begins(4)
        assert said.count("READY") == 1
        stage.go_on()
        await hears(said, "READY", 2)

    Stage(tmp_path).play(script)


def test_a_signal_in_a_storm_of_other_reasons_is_not_lost(tmp_path: Path, said: list[str]) -> None:
    async def script(stage: Stage) -> None:
        await started(stage, said)
        stage.app.loop.wake(Wake(Trigger.TIMER))
        await stage.begins(3)
        for _ in range(5000):
            stage.app.loop.wake(Wake(Trigger.NETLINK))
        hup()
        await hears(said, "RELOADING", 1)
        stage.go_on(2)
        await hears(said, "READY", 2)

    Stage(tmp_path).play(script)


def test_a_signal_during_a_pass_leaves_its_inputs_alone(tmp_path: Path, said: list[str]) -> None:
    async def script(stage: Stage) -> None:
        await started(stage, said)
        inputs = stage.app.inputs
        stage.app.loop.wake(Wake(Trigger.TIMER))
        await stage.begins(3)
        lookups = inputs.lookups()
        hup()
        await hears(said, "RELOADING", 1)
        assert inputs.lookups() == lookups
        stage.go_on(2)
        await hears(said, "READY", 2)

    stage = Stage(tmp_path)
    stage.conf.write_text(WEB + f"include {tmp_path}/*.more\n")
    stage.play(script)


def test_the_pass_after_a_signal_reads_all_again_whatever_the_stamps_say(
    tmp_path: Path, said: list[str]
) -> None:
    read: list[bool] = []

    async def script(stage: Stage) -> None:
        await started(stage, said)
        stage.app.inputs.settings_file.on_reload = lambda good, _at: read.append(good)
        stage.app.loop.wake(Wake(Trigger.TIMER))
        stage.go_on()
        await stage.begins(3)
        before = stage.app.inputs.gather()
        assert read == []
        hup()
        await hears(said, "RELOADING", 1)
        stage.go_on()
        await hears(said, "READY", 2)
        assert read == [True]
        assert stage.app.inputs.gather().reading is not before.reading

    Stage(tmp_path).play(script)
