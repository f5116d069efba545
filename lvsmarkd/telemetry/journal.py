"""Where messages go: journald with all their fields, else stderr in the same words."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TextIO

from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.telemetry.journald import Journald
from lvsmarkd.telemetry.message import Message, Priority

Sink = Callable[[Message], None]
"""Takes one message. What it raises goes no further than ``Journal``."""

WINDOW = 60.0
"""Seconds in which no more than ``MOST`` messages about the same thing are told."""
MOST = 5

_COLOURS = {
    Priority.CRITICAL: "\033[1;31m",
    Priority.ERROR: "\033[31m",
    Priority.WARNING: "\033[33m",
}
_PLAIN = "\033[0m"


class NotTakenError(Exception):
    """Journald is not there, or does not read."""

    def __str__(self) -> str:
        return "journald does not take them"


def to_journald(journald: Journald) -> Sink:
    """Send to journald, with all fields. What it returns raises NotTakenError."""

    def send(message: Message) -> None:
        journald.send(
            {
                "MESSAGE": message.text,
                "MESSAGE_ID": str(message.event),
                "PRIORITY": str(int(message.priority)),
                "SYSLOG_IDENTIFIER": "lvsmarkd",
                **message.fields,
            }
        )
        if journald.lost:
            raise NotTakenError

    return send


def to_stream(stream: TextIO) -> Sink:
    """Write to a stream, as ``level: text``; in colour on a terminal."""
    colourful = stream.isatty()

    def write(message: Message) -> None:
        level = message.priority.name.lower()
        colour = _COLOURS.get(message.priority, "") if colourful else ""
        stream.write(f"{colour}{level}:{_PLAIN if colour else ''} {message.text}\n")
        stream.flush()

    return write


def under_journald(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether the stream leads into the journal.

    systemd sets JOURNAL_STREAM to the device and inode of the stream that it connected. A
    daemon whose stderr was redirected inherits the variable and not the stream.
    """
    try:
        seen = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{seen.st_dev}:{seen.st_ino}"


def choose_sink(environ: Mapping[str, str] = os.environ, stream: TextIO | None = None) -> Sink:
    """Journald where we run under systemd, else the stream (stderr)."""
    out = sys.stderr if stream is None else stream
    return to_journald(Journald()) if under_journald(environ, out) else to_stream(out)


class _SaidLately(Struct):
    since: float
    times: int = 0
    held: Message | None = None
    """The last message that was not told."""


class Journal(Struct):
    """Tells messages, and never fails: a full disk or a dead journald is no reason to stop.

    What comes too often is held back; when its time is over the last one is told, with the
    number of those that were not.
    """

    sink: Sink = field(default_factory=choose_sink)
    monotonic: Callable[[], float] = time.monotonic
    on_lost: Callable[[], None] = lambda: None
    """Hears of each message that the sink did not take, for a metric."""
    lost: int = 0
    """Messages since the last one that the sink took."""
    _said: dict[Hashable, _SaidLately] = field(default_factory=dict)

    def tell(self, messages: Iterable[Message] = ()) -> None:
        """Tell them; call it after every pass, so that what was held back is told in time."""
        now = self.monotonic()
        self._release(now)
        for message in messages:
            said = self._said.setdefault(message.topic, _SaidLately(now))
            said.times += 1
            if said.times <= MOST:
                self._send(message)
            else:
                said.held = message

    def close(self) -> None:
        """Tell what is held back: these are the last words."""
        self._release(float("inf"))

    def _release(self, now: float) -> None:
        over = [topic for topic, said in self._said.items() if now - said.since >= WINDOW]
        for topic in over:
            said = self._said.pop(topic)
            if said.held is not None:
                self._send(_late(said.held, said.times - MOST))

    def _send(self, message: Message) -> None:
        more = {"LVSMARKD_LOST": str(self.lost)} if self.lost else {}
        try:
            self.sink(replace(message, fields={**message.fields, **more}))
        except Exception as error:  # noqa: BLE001 - there is hardly anywhere left to tell it
            if not self.lost:
                _say_lost(error)
            self.lost += 1
            self.on_lost()
        else:
            self.lost = 0


def _late(message: Message, suppressed: int) -> Message:
    return replace(
        message,
        text=f"{message.text} (the last of {suppressed:,} like it that were held back)",
        fields={**message.fields, "LVSMARKD_SUPPRESSED": str(suppressed)},
    )


def _say_lost(error: Exception) -> None:
    """One line where nothing else is left; the next message that is taken tells their number."""
    why = str(error) or type(error).__name__
    with contextlib.suppress(Exception):  # stderr may be what fails
        sys.stderr.write(f"warning: messages for the journal are lost: {why}\n")
        sys.stderr.flush()
