"""firewalld and its bus killed, frozen, restarted, reloading, while they are asked."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from lvsmarkd.backends.firewalld.client.adapter import BACKOFF, BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import (
    CONNECT_TIMEOUT,
    BusError,
    CallFault,
    FirewalldError,
    Interface,
    Request,
    RunState,
)
from lvsmarkd.backends.firewalld.client.states import SENTENCES, failure, not_ready
from lvsmarkd.netfilter.errors import Trouble
from tests.harness.daemon import until
from tests.harness.firewalld import RealFirewalld
from tests.harness.substitute import substitute

pytestmark = pytest.mark.netns
KILLS = 50


@pytest.fixture(params=["nftables"])
def firewalld_backend(request: pytest.FixtureRequest) -> str:
    """One is enough: no rule is written here."""
    return str(request.param)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def pending(threads: ThreadPoolExecutor, ask: Callable[[], object]) -> Future[object]:
    """A call that firewalld has got and does not answer."""
    call = threads.submit(ask)
    time.sleep(0.02)
    assert not call.done()
    return call


def test_a_bus_that_dies_in_the_middle_of_a_call_ends_it_at_once_fifty_times(
    adapter: BusFirewalld, real_firewalld: RealFirewalld, threads: ThreadPoolExecutor
) -> None:
    assert adapter.state() is RunState.RUNNING
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    longest = 0.0
    call: Future[Any]
    for number in range(KILLS):
        if number % 10 == 0:  # in the middle of many that are being answered
            adapter.property("version")
            requests = [Request(Interface.ZONE, "getZoneSettings2", ("public",))] * 100_000
            call = threads.submit(partial(adapter.calls, requests))
            time.sleep(0.02 + 0.001 * number)
            start = time.monotonic()
            real_firewalld.kill_bus()
        else:  # and of one that never will be
            with substitute():
                call = pending(threads, lambda: adapter.call(Interface.MAIN, "getDefaultZone"))
                start = time.monotonic()
                real_firewalld.kill_bus()
                with pytest.raises(BusError):
                    call.result(5)
        with pytest.raises(BusError) as error:
            call.result(5)
        longest = max(longest, time.monotonic() - start)
        assert error.value.fault is CallFault.NO_BUS, str(error.value)
        assert adapter.state() is RunState.NO_BUS
        if number % 10 == 0:
            real_firewalld.kill()
        real_firewalld.start_bus()
        until(lambda: adapter.state() is RunState.STOPPED, "a connection to the new bus")
        if number % 10 == 9:
            real_firewalld.start()
            assert adapter.state() is RunState.RUNNING
            assert adapter.call(Interface.MAIN, "getDefaultZone") == "public"
    assert longest < 0.5
    assert len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208 - a count
    assert [t.name for t in threading.enumerate()].count("firewalld") == 1


def test_firewalld_killed_during_a_call_is_told_from_a_dead_bus(
    adapter: BusFirewalld, real_firewalld: RealFirewalld, threads: ThreadPoolExecutor
) -> None:
    assert adapter.state() is RunState.RUNNING
    real_firewalld.freeze()
    call = pending(threads, lambda: adapter.call(Interface.MAIN, "reload"))
    real_firewalld.kill()
    with pytest.raises(BusError, match="ended while it was asked for reload") as error:
        call.result(2)
    assert error.value.fault is CallFault.NO_OWNER
    assert adapter.state() is RunState.STOPPED
    with pytest.raises(BusError, match="systemctl start firewalld") as error:
        adapter.call(Interface.MAIN, "reload")
    assert error.value.fault is CallFault.NO_OWNER
    real_firewalld.start()
    assert adapter.state() is RunState.RUNNING


def test_a_restart_is_seen_and_survived(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    assert adapter.state() is RunState.RUNNING
    real_firewalld.stop()
    assert adapter.state() is RunState.STOPPED
    real_firewalld.start()
    assert adapter.state() is RunState.RUNNING
    assert adapter.call(Interface.POLICY, "getPolicies") == ["allow-host-ipv6"]


def test_a_start_is_waited_for_until_the_rules_are_loaded(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.stop()
    rules = "".join(
        f'<rule family="ipv4"><destination address="192.0.2.1"/><port port="{n}" protocol="tcp"/>'
        f'<mark set="{n}"/></rule>'
        for n in range(1, 501)
    )
    zone = f'<?xml version="1.0" encoding="utf-8"?><zone><short>P</short>{rules}</zone>'
    (real_firewalld.etc / "zones" / "public.xml").write_text(zone)
    real_firewalld.start("")
    seen: list[RunState] = []

    def running() -> bool:
        seen.append(adapter.state())
        return seen[-1] is RunState.RUNNING

    until(running, "RUNNING")
    rules_of = adapter.call(Interface.ZONE, "getRichRules", "public")
    assert isinstance(rules_of, list)
    assert len(rules_of) == 500
    assert set(seen) <= {
        RunState.STOPPED,
        RunState.STARTING,
        RunState.SILENT,
        RunState.RUNNING,
    }


def test_one_that_has_its_name_and_not_its_rules_is_starting(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.stop()
    with substitute("INIT"):
        assert adapter.state() is RunState.STARTING
        assert not RunState.STARTING.readable
    with substitute("something of a version to come"):
        assert adapter.state() is RunState.FAILED


def test_one_that_ran_and_says_that_it_starts_is_stuck_halfway(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    """One that starts or reloads answers nobody: it has one thread."""
    assert adapter.state() is RunState.RUNNING
    real_firewalld.stop()
    with substitute("INIT"):
        assert adapter.state() is RunState.HALFWAY
        assert RunState.HALFWAY.readable
    assert adapter.state() is RunState.STOPPED
    with substitute("INIT"):
        assert adapter.state() is RunState.STARTING, "another one"


def test_calls_during_reloads_are_answered_after_them(
    adapter: BusFirewalld, real_firewalld: RealFirewalld, threads: ThreadPoolExecutor
) -> None:
    reloads = threads.submit(lambda: [real_firewalld.cmd("--reload") for _ in range(5)])
    answers = []
    while not reloads.done():
        answers += adapter.calls([Request(Interface.MAIN, "getDefaultZone")] * 8)
        answers.append(str(adapter.state()))
    reloads.result()
    assert set(map(str, answers)) == {"public", "running"}
    assert len(answers) > 20


def test_a_firewalld_that_hangs_is_silent_and_goes_on(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.freeze()
    start = time.monotonic()
    assert adapter.state() is RunState.SILENT
    assert time.monotonic() - start < 6
    real_firewalld.thaw()
    assert adapter.state() is RunState.RUNNING


def test_panic_is_a_state_in_which_the_runtime_takes_nothing(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    real_firewalld.cmd("--panic-on")
    assert adapter.state() is RunState.PANIC
    assert RunState.PANIC.readable
    rule = "rule protocol value=vrrp accept"
    with pytest.raises(FirewalldError) as error:
        adapter.call(Interface.ZONE, "addRichRule", "public", rule, 0)
    assert error.value.code == "PANIC_MODE"
    assert failure(error.value).trouble is Trouble.BUSY
    assert "--panic-off" in str(failure(error.value))
    real_firewalld.cmd("--panic-off")
    assert adapter.state() is RunState.RUNNING


def test_a_firewalld_that_could_not_load_its_configuration_has_failed(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    direct = real_firewalld.etc / "direct.xml"
    direct.write_text(
        '<?xml version="1.0" encoding="utf-8"?><direct><rule ipv="ipv4" table="mangle"'
        ' chain="PREROUTING" priority="0">-j NOSUCH</rule></direct>'
    )
    real_firewalld.cmd("--reload", check=False)
    assert adapter.state() is RunState.FAILED
    real_firewalld.stop()
    real_firewalld.start("FAILED")
    assert adapter.state() is RunState.FAILED
    direct.unlink()
    real_firewalld.cmd("--reload")
    assert adapter.state() is RunState.RUNNING


def test_every_state_is_a_sentence_and_only_what_runs_may_be_written() -> None:
    assert set(SENTENCES) == set(RunState)
    writable = {RunState.RUNNING, RunState.HALFWAY}
    assert {state for state in RunState if not_ready(state) is None} == writable
    for state in set(RunState) - writable:
        error = not_ready(state)
        assert str(error) == SENTENCES[state]


def test_a_machine_without_a_bus_is_asked_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with BusFirewalld() as ours:
        assert ours.state() is RunState.NO_BUS
        with pytest.raises(BusError, match="the system bus is not there") as error:
            ours.property("version")
        assert error.value.fault is CallFault.NO_BUS
        assert failure(error.value).trouble is Trouble.GONE
        start = time.monotonic()
        with Tries(tmp_path / "none") as tries:
            while time.monotonic() - start < 1.5:
                assert ours.state() is RunState.NO_BUS
                time.sleep(0.002)
        assert 1 <= tries.count <= len(BACKOFF)


@pytest.mark.parametrize("address", ["", "rubbish", "unix:", "tcp:host=127.0.0.1,port=1", "x:y=z"])
def test_an_address_that_is_none_is_no_bus(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with BusFirewalld() as ours:
        assert ours.state() is RunState.NO_BUS


class Tries:
    """A bus that takes every connection and hangs up; counts them."""

    def __init__(self, path: Path, say: bytes = b"") -> None:
        self.count = 0
        self.say = say
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            with caller:
                if self.say:
                    caller.recv(100)
                    caller.sendall(self.say)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.mark.parametrize("say", [b"", b"OK 0123", b"REJECTED EXTERNAL\r\n", b"OK 01\r\n"])
def test_a_bus_that_hangs_up_on_us_costs_no_time(
    say: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # dbus-next would read the end of file for ever, and nothing else would run.
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with Tries(tmp_path / "bus", say), BusFirewalld() as ours:
        start, work = time.monotonic(), time.process_time()
        assert ours.state() is RunState.NO_BUS
        assert time.monotonic() - start < 1
        time.sleep(0.5)
        assert time.process_time() - work < 0.4


def test_a_bus_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    with socket.socket(socket.AF_UNIX) as mute, BusFirewalld() as ours:
        mute.bind(str(tmp_path / "bus"))
        mute.listen(0)
        start = time.monotonic()
        assert ours.state() is RunState.NO_BUS
        assert time.monotonic() - start < CONNECT_TIMEOUT + 1
        with ExitStack() as waiting, suppress(BlockingIOError):
            while True:  # until nobody more may wait
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.settimeout(0)
                one.connect(str(tmp_path / "bus"))
        start = time.monotonic()
        with BusFirewalld() as other:
            assert other.state() is RunState.NO_BUS
        assert time.monotonic() - start < 1, "it is full, and does not hold us"
