"""Where messages go, in which words, how often; and that none of it can fail the daemon."""

import io
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from lvsmarkd.model.report import Mode
from lvsmarkd.telemetry import lifecycle
from lvsmarkd.telemetry.journal import (
    MOST,
    WINDOW,
    Journal,
    choose_sink,
    to_journald,
    to_stream,
    under_journald,
)
from lvsmarkd.telemetry.journald import Journald, encoded
from lvsmarkd.telemetry.message import Event, Message, Priority, fields
from tests.harness.values import key


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def message(text: str = "so it is", mark: int | None = 80, about: str = "") -> Message:
    service = None if mark is None else key(mark)
    told = fields(service, kind="missing")
    return Message(Event.REPAIRED, Priority.WARNING, text, told, service, about)


class Heard:
    def __init__(self) -> None:
        self.now = 0.0
        self.messages: list[Message] = []
        self.journal = Journal(self.messages.append, lambda: self.now)

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.messages]


def test_the_stream_bears_the_words_and_nothing_else() -> None:
    stream = io.StringIO()
    to_stream(stream)(message())
    assert stream.getvalue() == "warning: so it is\n"


def test_only_a_terminal_gets_colour() -> None:
    terminal = Terminal()
    to_stream(terminal)(message())
    assert terminal.getvalue() == "\033[33mwarning:\033[0m so it is\n"


def test_journald_gets_all_fields(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        with closing(Journald(tmp_path / "socket")) as sender:
            to_journald(sender)(message("von “ab” \udcff"))
        sent = journald.recv(65536)
    assert sent.splitlines() == [
        "MESSAGE=von “ab” \\udcff".encode(),
        b"MESSAGE_ID=289fdde2c44741b3a0628388ac928b4d",
        b"PRIORITY=4",
        b"SYSLOG_IDENTIFIER=lvsmarkd",
        b"LVSMARKD_KIND=missing",
        b"LVSMARKD_MARK=80",
        b"LVSMARKD_FAMILY=inet",
    ]


def test_a_journald_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    journald = Journald(path)
    journald.send({"MESSAGE": "nobody is there"})
    assert journald.lost == 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stopped:
        stopped.bind(str(path))
        for _ in range(2000):  # more than a queue of datagrams takes
            journald.send({"MESSAGE": "filling"})
        assert stopped.recv(65536).splitlines() == [b"MESSAGE=filling", b"LVSMARKD_LOST=1"]
        lost = journald.lost
        assert lost > 0
        journald.send({"MESSAGE": "it reads again"})
        while b"reads again" not in (last := stopped.recv(65536)):
            continue
        assert last.splitlines()[1] == b"LVSMARKD_LOST=%d" % lost
        assert journald.lost == 0
    journald.close()


def test_lines_go_to_journald_with_their_length() -> None:
    assert encoded({"A": "b\nc"}) == b"A\n\x03\0\0\0\0\0\0\0b\nc\n"


def test_the_names_of_fields_are_those_that_journald_takes() -> None:
    for name in fields(key(80), actor_pid=1, want="x"):
        assert name.startswith("LVSMARKD_")
        assert name.replace("_", "").isalnum()
        assert name == name.upper()
    assert fields(None, want="", have=None) == {}


def test_journald_is_recognised_by_the_stream_that_it_was_given(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        seen = os.fstat(stream.fileno())
        leads = {"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino}"}
        redirected = {"JOURNAL_STREAM": f"{seen.st_dev}:{seen.st_ino + 1}"}
        assert under_journald(leads, stream)
        assert "to_journald" in repr(choose_sink(leads, stream))
        assert not under_journald(redirected, stream)
        assert not under_journald({}, stream)
        choose_sink({}, stream)(message())
    assert (tmp_path / "stderr").read_text() == "warning: so it is\n"
    assert not under_journald(leads, io.StringIO())


def test_what_is_told_too_often_is_held_back_and_summed_up() -> None:
    heard = Heard()
    for number in range(MOST + 3):
        heard.journal.tell([message(f"again after {number} ms")])
        heard.now += 1
    assert len(heard.messages) == MOST
    heard.now = WINDOW
    heard.journal.tell()
    assert heard.texts[MOST:] == [
        "again after 7 ms (the last of 3 like it that were held back)",
    ]
    assert heard.messages[-1].fields["LVSMARKD_SUPPRESSED"] == "3"
    heard.journal.tell([message()])
    assert heard.texts[-1] == "so it is"


def test_other_marks_and_other_matters_are_not_held_back() -> None:
    heard = Heard()
    heard.journal.tell([message()] * (MOST + 1))
    heard.journal.tell([message(mark=81), message(mark=None, about="the jump")])
    assert len(heard.messages) == MOST + 2
    heard.journal.tell([message(f"by pid {n}", None, "the jump") for n in range(9)])
    assert len(heard.messages) == 2 * MOST + 1


def test_the_last_words_tell_what_is_held_back() -> None:
    heard = Heard()
    heard.journal.tell([message()] * (MOST + 2))
    heard.journal.close()
    assert heard.texts[-1].endswith("(the last of 2 like it that were held back)")


@pytest.mark.parametrize("error", [OSError("no journald"), ValueError("closed"), RuntimeError()])
def test_a_sink_that_fails_fails_nobody(error: Exception) -> None:
    def fail(_message: Message) -> None:
        raise error

    journal = Journal(fail)
    journal.tell([message(), message()])
    taken: list[Message] = []
    journal.sink = taken.append
    journal.tell([message(mark=81), message(mark=82)])
    assert [each.fields.get("LVSMARKD_LOST") for each in taken] == ["2", None]


def test_what_a_sink_does_not_take_is_counted_and_told_once_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(_message: Message) -> None:
        raise OSError("no space left")

    lost: list[int] = []
    journal = Journal(fail, on_lost=lambda: lost.append(1))
    journal.tell([message(), message(), message()])
    assert len(lost) == 3
    assert capfd.readouterr().err == ("warning: messages for the journal are lost: no space left\n")
    journal.sink = lambda _message: None
    journal.tell([message(mark=81)])
    journal.sink = fail
    journal.tell([message(mark=82)])
    assert capfd.readouterr().err.count("are lost") == 1


def test_what_journald_does_not_take_is_counted_too(tmp_path: Path) -> None:
    lost: list[int] = []
    with closing(Journald(tmp_path / "nobody")) as journald:
        journal = Journal(to_journald(journald), on_lost=lambda: lost.append(1))
        journal.tell([message(), message(mark=81)])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
            reader.bind(str(tmp_path / "nobody"))
            journal.tell([message(mark=82)])
            assert b"LVSMARKD_LOST=2" in reader.recv(65536).splitlines()
    assert len(lost) == 2


def test_a_closed_stderr_fails_nobody() -> None:
    stream = io.StringIO()
    sink = to_stream(stream)
    stream.close()
    Journal(sink).tell([message()])


def test_what_the_daemon_tells_of_itself() -> None:
    told = [
        lifecycle.started("1.2.3", Mode.ENFORCE),
        lifecycle.crashed(KeyError("x")),
        lifecycle.watch_lost("nftables", "no netlink"),
        lifecycle.watch_back("nftables"),
        lifecycle.metrics_unserved("127.0.0.1:1", "no metrics on 127.0.0.1:1: taken"),
        lifecycle.metrics_served("127.0.0.1:1"),
        lifecycle.stopped(),
    ]
    assert [each.text for each in told] == [
        "lvsmarkd 1.2.3 begins, in mode enforce",
        "a pass ended by a bug of lvsmarkd and is tried again; please report it: KeyError: 'x'",
        "changes of nf_tables are not all seen at once: no netlink; the slow full check still"
        " sees them",
        "changes of nf_tables are seen at once again",
        "no metrics on 127.0.0.1:1: taken; it is tried again",
        "metrics are served on 127.0.0.1:1 now",
        "lvsmarkd ends; its rules stay in force",
    ]
