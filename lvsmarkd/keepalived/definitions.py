"""``$NAME=value`` and its uses ``${NAME}`` and ``$NAME``."""

import re
from dataclasses import dataclass, field

from lvsmarkd.keepalived.physical import MAX_LINE

_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*")

# Without braces a name counts only where a blank, `,`, `)` or the end follows it
# (lib/parser.c, find_definition). Words after a name in braces are parameters.
_USE = re.compile(
    r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)([ \tA-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|\Z))"
)

_UNREAD_BUILT_INS = frozenset({"_INSTANCE", "_RANDOM", "_ENV"})

_ENDLESS = 300
"""Replacements in one line after which it is a definition that names itself: keepalived
does not end on one."""


@dataclass(frozen=True, slots=True)
class Substituted:
    """A line after substitution; ``unread`` names a definition that is not read yet."""

    text: str
    replaced: bool
    unread: str | None = None
    endless: bool = False


@dataclass(slots=True)
class Definitions:
    """The definitions in force at one point: they are positional, and hold across files."""

    _values: dict[str, str] = field(default_factory=lambda: {"_HASH": "#", "_BANG": "!"})
    _multiline: set[str] = field(default_factory=set)

    def define(self, text: str) -> tuple[str, bool] | None:
        """Store ``text`` if it is a definition; its name, and whether more lines follow it.

        lib/parser.c, check_definition: no blank before ``=``, blanks after it are skipped,
        and a backslash at the end makes it one of several lines.
        """
        if (match := _DEFINITION.match(text)) is None:
            return None
        name, value = match.group(1), text[match.end() :]
        multiline = value.endswith("\\")
        self._values.pop(name, None)
        self._multiline.discard(name)
        if multiline:
            self._multiline.add(name)
        else:
            self._values[name] = value
        return name, multiline

    def substitute(self, text: str, directory: str) -> Substituted:
        """Replace every use (lib/parser.c, replace_param); an undefined name is left as it is.

        What was put in is looked at again, so that values may use other definitions.
        ``directory`` is what ``_PWD`` stands for.
        """
        position = 0
        replaced = False
        for _ in range(_ENDLESS):
            if (match := _USE.search(text, position)) is None:
                return Substituted(text, replaced)
            name = match.group(1) or match.group(3)
            parameters = match.group(2) or ""
            start, end = match.span()
            position = start + 1
            own = name in self._values
            if name in self._multiline:
                if end == len(text):
                    return Substituted(text, replaced, unread=name)
                continue  # one of several lines is only found at the end of a line
            if name in _UNREAD_BUILT_INS and not own:
                return Substituted(text, replaced, unread=name)
            if parameters.strip() or not (own or name == "_PWD"):
                continue
            if parameters:
                # keepalived takes out as many characters as a use without blanks has.
                end = start + len(name) + len("${}")
            value = self._values[name] if own else directory
            if len(text.encode()) - (end - start) + len(value.encode()) > MAX_LINE:
                return Substituted(text, replaced=False)
            text = text[:start] + value + text[end:]
            replaced = True
            position = start
            if value.lstrip(" \t").startswith("~"):
                return Substituted(text, replaced)
        return Substituted(text, replaced, endless=True)
