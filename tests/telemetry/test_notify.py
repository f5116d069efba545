"""What systemd hears, on a real socket of its kind; and the line about a pass."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.model.finding import Kind
from lvsmarkd.model.plan import Owned, Part
from lvsmarkd.model.report import Fight, Mode, Report, Result
from lvsmarkd.telemetry import notify
from lvsmarkd.telemetry.notify import status_line, watchdog_interval
from lvsmarkd.telemetry.transition import transition
from tests.telemetry.reports import MARKS, QUIET, between, drifting, finding, left, state, undone


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_each_word_as_systemd_expects_it(systemd: socket.socket) -> None:
    notify.ready("in sync")
    assert systemd.recv(4096) == b"READY=1\nSTATUS=in sync"
    notify.ready()
    assert systemd.recv(4096) == b"READY=1"
    notify.status("two\nlines")
    assert systemd.recv(4096) == b"STATUS=two lines"
    notify.watchdog()
    assert systemd.recv(4096) == b"WATCHDOG=1"
    notify.stopping("ending")
    assert systemd.recv(4096) == b"STOPPING=1\nSTATUS=ending"


def test_a_reload_bears_the_time_that_systemd_compares(systemd: socket.socket) -> None:
    before = time.monotonic()
    notify.reloading()
    reloading, stamp = systemd.recv(4096).decode().split("\n")
    name, value = stamp.split("=")
    assert (reloading, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before - 1 <= int(value) / 1e6 <= time.monotonic()


def test_a_descriptor_is_kept_in_place_of_those_of_its_name(systemd: socket.socket) -> None:
    notify.keep_descriptor("guard", systemd.fileno())
    assert systemd.recv(4096) == b"FDSTOREREMOVE=1\nFDNAME=guard"
    said, descriptors, _, _ = socket.recv_fds(systemd, 4096, 2)
    for each in descriptors:
        os.close(each)
    assert (said, len(descriptors)) == (b"FDSTORE=1\nFDNAME=guard\nFDPOLL=0", 1)


@pytest.mark.parametrize(("number", "names"), [("three", "guard"), ("1", "one:two"), ("-1", "")])
def test_nonsense_about_descriptors_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, number: str, names: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", number)
    monkeypatch.setenv("LISTEN_FDNAMES", names)
    assert notify.kept_descriptor("guard") is None


def test_without_a_socket_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready()
    notify.watchdog()


def test_a_socket_that_nobody_reads_fails_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.ready()


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_the_interval_of_the_watchdog(environ: dict[str, str], interval: float | None) -> None:
    assert watchdog_interval(environ) == interval


FIGHT = Fight((Owned(MARKS, Part.JUMP),), 3)
TWO = replace(QUIET, services=(state(80), state(81)))


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (TWO, "in sync: 2 services, 2 covered; iptables-nft"),
        (
            replace(QUIET, services=(state(80), state(81, covered=None))),
            "in sync: 2 services, 1 covered, 1 not known; iptables-nft",
        ),
        (undone(80), "in sync: 1 service, 1 covered; iptables-nft; last change 1 repair"),
        (drifting(80), "observe, 1 finding: 1 service, 0 covered; iptables-nft"),
        (replace(TWO, mode=Mode.PAUSED), "paused, in sync: 2 services, 2 covered; iptables-nft"),
        (
            replace(TWO, result=Result.ERROR, error="the lock is held"),
            "failed (the lock is held): 2 services, 2 covered; iptables-nft",
        ),
        (
            replace(TWO, result=Result.SUPPRESSED, fights=(FIGHT,)),
            "the firewall refuses a rule: 2 services, 2 covered; iptables-nft; 1 fight going on",
        ),
        (
            left(finding(Kind.ORPHAN, "a"), finding(Kind.ORPHAN, "b")),
            "2 findings: 0 services, 0 covered; iptables-nft",
        ),
    ],
)
def test_the_line_about_a_pass(report: Report, line: str) -> None:
    assert status_line(between(None, report)) == line


def test_the_line_keeps_the_last_change_in_mind() -> None:
    line = status_line(transition(between(None, undone(80, 81, 82)), TWO))
    assert line == "in sync: 2 services, 2 covered; iptables-nft; last change 3 repairs"
