"""Definitions: ``$NAME=value``, of one line or of several, and the uses of them.

lib/parser.c: check_definition, find_definition, replace_param.
"""

import re

from msgspec import Struct, field

from lvsmarkd.keepalived.conf.comments import BLANKS
from lvsmarkd.keepalived.conf.context import ReadContext
from lvsmarkd.keepalived.conf.physical import MAX_LINE

LINE_END = "\n"
"""Parts the lines of a definition of several lines."""

_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*")

# Without braces a name counts only where a blank, `,`, `)` or the end follows it; after a name
# in braces, parameters may follow.
_USE = {
    words: re.compile(
        r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(" + parameters + r"*)\}"
        r"|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t,)]|\Z))"
    )
    for words, parameters in {False: r"[ 0-9]", True: r"[ \tA-Za-z0-9_]"}.items()
}

_ENDLESS = 20_000
"""Replacements in one line after which it is a definition that names itself, or others that
name each other: keepalived does not end on one, or not within a day. A line has room for 512
uses."""
_MOST = 20_000_000
"""Characters of all lines in which something was replaced, counted anew each time: after these no
more is. It is five times what a configuration has room for."""


class Definition(Struct):
    """What a name stands for."""

    value: str
    multiline: bool = False
    replaced_lines: bool = False
    """It took the place of one of several lines."""

    def extend(self, text: str) -> bool:
        """Take in a further line; tells whether more follow."""
        continues = text.endswith("\\")
        if continues:
            text = text[:-1].rstrip(BLANKS) + LINE_END
        elif not self.value:
            self.multiline = False
        # Lines with nothing before their backslash are left out.
        if text not in {"", LINE_END} or (text and not continues):
            self.value += text
        return continues

    def end(self) -> None:
        """An empty line ends a definition of several lines."""
        if not self.value:
            self.multiline = False


class Substituted(Struct, frozen=True):
    """A line after substitution.

    ``opened`` are, for each definition of several lines that was used, its lines after the
    first. ``doubtful`` says why what keepalived makes of the line cannot be known.
    """

    text: str
    replaced: bool
    opened: tuple[str, ...] = ()
    doubtful: str = ""
    endless: bool = False
    crashes: bool = False


class _UseValue(Struct, frozen=True):
    """The value of one use, None to leave it; ``more`` are the lines after its first."""

    text: str | None = None
    more: str | None = None
    doubt: str = ""


_LEFT = _UseValue()


class _CrashesError(Exception):
    """keepalived does not survive this use."""


class Definitions(Struct):
    """The definitions in force at one point: they are positional, and hold across files."""

    context: ReadContext
    _known: dict[str, Definition] = field(default_factory=dict)
    _work: int = 0

    def define(self, text: str) -> Definition | None:
        """Store ``text`` if it is a definition: no blank before ``=``, blanks after it are
        skipped, and a backslash at the end makes it one of several lines.
        """
        if (match := _DEFINITION.match(text)) is None:
            return None
        value = text[match.end() :]
        if value.endswith("\\"):
            value = value[:-1].rstrip(BLANKS)
            definition = Definition(value + LINE_END if value else "", multiline=True)
        else:
            definition = Definition(value)
        before = self._known.get(match[1])
        definition.replaced_lines = before is not None and before.multiline
        self._known[match[1]] = definition
        return definition

    def put(self, name: str, value: str) -> bool:
        """Set what a sequence runs through; tells whether it takes the place of several lines."""
        # keepalived forgets the old value, and not that it was one of several lines.
        known = self._known.get(name)
        several = known is not None and known.multiline
        self._known[name] = Definition(value, several)
        return several

    def substitute(self, text: str, directory: str, limit: int = MAX_LINE) -> Substituted:
        """Replace every use; an undefined name is left as it is.

        What was put in is looked at again, so that values may use other definitions.
        ``directory`` is what ``_PWD`` stands for.
        """
        use = _USE[self._words]
        position = 0
        opened: list[str] = []
        doubts: list[str] = []
        replaced = False
        for _ in range(_ENDLESS):
            if (match := use.search(text, position)) is None:
                return Substituted(text, replaced, tuple(opened), "; ".join(doubts))
            position = match.start() + 1
            try:
                value = self._value(match, directory)
            except _CrashesError:
                return Substituted(text, replaced, crashes=True)
            doubts += filter(None, [value.doubt])
            if value.text is None:
                continue
            self._work += len(text)
            if self._work > _MOST:
                doubts.append("the definitions here stand for too much to be followed")
                return Substituted(text, replaced=False, doubtful="; ".join(doubts))
            start, end = match.span()
            if match[2] and not match[2].strip():
                # keepalived takes out as many characters as a use without blanks has.
                end = start + len(match[1]) + len("${}")
            longer = text[:start] + value.text + text[end:]
            if len(longer.encode(errors="surrogateescape")) > limit:
                return Substituted(text, replaced=False, doubtful="; ".join(doubts))
            text, replaced, position = longer, True, start
            if value.more is not None:
                opened.append(value.more)
            if value.text.lstrip(BLANKS).startswith("~"):
                return Substituted(text, replaced, tuple(opened), "; ".join(doubts))
        return Substituted(text, replaced, endless=True)

    def _value(self, use: re.Match[str], directory: str) -> "_UseValue":
        """What is put in for one use."""
        name, parameters = use[1] or use[3], use[2] or ""
        known = self._known.get(name)
        if known is None:
            return self._built_in(name, parameters.split(), directory)
        if parameters.strip():
            return _LEFT
        if not known.multiline:
            return _UseValue(known.value)
        if parameters or use.end() != len(use.string):
            return _LEFT  # one of several lines is only found at the end of a line
        first, parted, more = known.value.partition(LINE_END)
        # It reads on behind the end of the value where there is no second line.
        doubt = "" if parted else f"${name} is one line where several were meant"
        return _UseValue(first, more, doubt)

    @property
    def _words(self) -> bool:
        return self.context.dialect.takes_words_as_parameters

    def _built_in(self, name: str, parameters: list[str], directory: str) -> "_UseValue":
        """The value of a built-in definition, or why it cannot be known (set_std_definitions)."""
        match name, parameters:
            case "_PWD", []:
                return _UseValue(directory)
            case "_INSTANCE", []:
                return _UseValue(self.context.config_id)
            case "_HASH", []:
                return _UseValue("#")
            case "_BANG", []:
                return _UseValue("!")
            case "_RANDOM", _:
                return _UseValue(doubt="$_RANDOM is another number at each start")
            case "_ENV", [] if self._words:
                raise _CrashesError
            case "_ENV", [variable] if self._words:
                if self.context.environment is None:
                    doubt = f"${{_ENV {variable}}} is in keepalived's own environment"
                    return _UseValue(doubt=doubt)
                return _UseValue(self.context.environment.get(variable, ""))
        return _LEFT
