"""The expansion of one line: ``@id`` conditions, definitions, sequences.

lib/parser.c, read_line, in its order: a condition, then a definition, then a sequence, then
substitution; then again from the start, as long as something was replaced. Definitions of
several lines, ``~SEQ``, ``~LST`` and the built-in definitions that need keepalived's own
environment are told apart here and reported, not read.
"""

import re
from dataclasses import dataclass, field

from lvsmarkd.keepalived.comments import BLANKS, decomment
from lvsmarkd.keepalived.definitions import Definitions
from lvsmarkd.keepalived.stops import KeepalivedStops
from lvsmarkd.model.origin import Origin, Problem

SPECIAL = re.compile(r"[@$~]")
"""A line without one of these is its own expansion."""

_BLANK = re.compile(r"[ \t]")


def condition(text: str, config_id: str) -> bool | None:
    """Whether the condition that starts a line holds; None where there is none.

    ``@id`` holds where it equals the configuration's id, ``@^id`` where it does not.
    """
    if not text.startswith("@"):
        return None
    negated = text.startswith("@^")
    name = _BLANK.split(text, maxsplit=1)[0][2 if negated else 1 :]
    return (name == config_id) is not negated


@dataclass(slots=True)
class Expander:
    """Expands line after line: what one line defines, later ones use."""

    config_id: str
    problems: list[Problem] = field(default_factory=list)
    unread: bool = False
    """Something was met that is not read yet: the reading is not the whole."""
    _definitions: Definitions = field(default_factory=Definitions)
    _continues: bool = False

    def expand(self, text: str, origin: Origin, directory: str) -> str:
        """The line that keepalived goes on with; empty where nothing is left of it."""
        again = True
        while again:
            text = self._conditioned(text)
            if not text or self._consumed(text, origin):
                return ""
            if text.startswith("~") or "$" not in text:
                return text
            text, again = self._substituted(text, origin, directory)
        return text

    def _conditioned(self, text: str) -> str:
        """The line without its condition; empty where that does not hold, or is all."""
        if not text.startswith("@"):
            return text
        blank = _BLANK.search(text)
        if blank is None or not condition(text, self.config_id):
            return ""
        return text[blank.end() :].lstrip(BLANKS)

    def _consumed(self, text: str, origin: Origin) -> bool:
        """Whether a line is a definition or a sequence, and so no line of configuration."""
        if text.startswith("$") and (defined := self._definitions.define(text)):
            name, self._continues = defined
            if self._continues:
                self._not_read(origin, f"the definition of ${name} over several lines")
            return True
        if text.startswith(("~SEQ", "~LST")):
            self._not_read(origin, f"the sequence {text[:4]}")
            return True
        return False

    def _substituted(self, text: str, origin: Origin, directory: str) -> tuple[str, bool]:
        """The line with its definitions, and whether to look at it again from the start."""
        done = self._definitions.substitute(text, directory)
        if done.endless:
            raise KeepalivedStops(_endless(origin))
        if done.unread:
            self._not_read(origin, f"the use of ${done.unread}")
        if not done.replaced:
            return done.text, False
        text, _ = decomment(done.text)
        return text, not done.unread and (text.startswith("@") or "$" in text)

    def continues(self, text: str) -> bool:
        """Whether ``text`` belongs to a definition that an earlier line began.

        Such a definition ends with its first line without a backslash at the end, and with
        the first line that is empty: not blank, nor a comment alone.
        """
        if not self._continues:
            return False
        self._continues = text.endswith("\\")
        return True

    def empty_line(self) -> None:
        """An empty line was read."""
        self._continues = False

    def _not_read(self, origin: Origin, what: str) -> None:
        self.unread = True
        self.problems.append(
            Problem(
                origin,
                f"{what} is not read yet: declare the marks that come from it in lvsmarkd.toml",
            )
        )


def _endless(origin: Origin) -> Problem:
    return Problem(
        origin,
        "a definition here stands for itself, on which keepalived hangs: "
        "let no value use the name it defines",
        fatal=True,
    )
