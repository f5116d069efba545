"""What may happen to a configuration's lines: moved, joined, cut, hidden behind definitions."""

import re
from collections.abc import Callable
from random import Random

from tests.fuzz.grammar import Lines, document, multiline, opening
from tests.fuzz.vocabulary import FILES, NAMES, condition
from tests.keepalived.cases import MAIN

Draft = dict[str, Lines]
"""The files of a configuration in the making, as lines."""


def _spot(chance: Random, lines: Lines) -> int:
    return chance.randrange(len(lines))


def join(chance: Random, lines: Lines) -> None:
    """Two lines become one."""
    at = _spot(chance, lines)
    lines[at : at + 2] = [chance.choice((" ", "", "\t")).join(lines[at : at + 2])]


def flatten(chance: Random, lines: Lines) -> None:
    """Several lines become one."""
    at = _spot(chance, lines)
    end = at + chance.randint(2, 9)
    lines[at:end] = [" ".join(lines[at:end])]


def part(chance: Random, lines: Lines) -> None:
    """A line is broken at a brace or a blank."""
    at = _spot(chance, lines)
    if found := [match.start() for match in re.finditer(r"[ {}]", lines[at])]:
        where = chance.choice(found)
        between = chance.choice(([], [""], ["# x"], ["  "], ["", "! y", ""]))
        lines[at : at + 1] = [lines[at][:where], *between, lines[at][where:]]


def glue(chance: Random, lines: Lines) -> None:
    """The blanks around braces go."""
    at = _spot(chance, lines)
    lines[at] = re.sub(r" *([{}]) *", r"\1", lines[at])


def brace(chance: Random, lines: Lines) -> None:
    """A brace too many, or too few."""
    at = _spot(chance, lines)
    line = lines[at]
    if chance.random() < 0.5 and re.search("[{}]", line):
        lines[at] = re.sub("[{}]", "", line, count=1)
    else:
        where = chance.randint(0, len(line))
        lines[at] = line[:where] + chance.choice("{}") + line[where:]


def drop(chance: Random, lines: Lines) -> None:
    """A line goes."""
    del lines[_spot(chance, lines)]


def double(chance: Random, lines: Lines) -> None:
    """Lines are said again, elsewhere."""
    at = _spot(chance, lines)
    again = lines[at : at + chance.choice((1, 1, 3, 6))]
    where = _spot(chance, lines)
    lines[where:where] = again


def move(chance: Random, lines: Lines) -> None:
    """A line moves."""
    line = lines.pop(_spot(chance, lines))
    lines.insert(chance.randint(0, len(lines)), line)


def comment(chance: Random, lines: Lines) -> None:
    """A comment, somewhere; what follows it stays or goes."""
    at = _spot(chance, lines)
    line = lines[at]
    where = len(line) if chance.random() < 0.6 else chance.randint(0, len(line))
    rest = line[where:] if chance.random() < 0.5 else ""
    lines[at] = line[:where] + chance.choice(_COMMENTS) + rest


_COMMENTS = ("#", "!", " # x", "#{", " # }", "\\#", "\\!", " # \\", '#"', " ! lvsmarkd: x", "#\\")


def conditional(chance: Random, lines: Lines) -> None:
    """A condition before a line, or before several."""
    at = _spot(chance, lines)
    word = condition(chance)
    for number in range(at, min(at + chance.choice((1, 1, 1, 4)), len(lines))):
        lines[number] = word + lines[number]


def backslash(chance: Random, lines: Lines) -> None:
    """A backslash at the end of a line, or in it."""
    at = _spot(chance, lines)
    where = len(lines[at]) if chance.random() < 0.7 else chance.randint(0, len(lines[at]))
    lines[at] = lines[at][:where] + chance.choice((" \\", "\\", "\\\\", "\\ ")) + lines[at][where:]


def quotes(chance: Random, lines: Lines) -> None:
    """A quote, or quotes around a word."""
    at = _spot(chance, lines)
    if chance.random() < 0.4:
        where = chance.randint(0, len(lines[at]))
        lines[at] = lines[at][:where] + '"' + lines[at][where:]
    elif words := lines[at].split():
        word = chance.choice(words)
        lines[at] = lines[at].replace(word, f'"{word}"', 1)


def character(chance: Random, lines: Lines) -> None:
    """A character that is not expected, or one less."""
    at = _spot(chance, lines)
    where = chance.randint(0, len(lines[at]))
    odd = chance.choice("\t\r\x0b\x0c\0é\u00a0\ufeff\udcff\udce4\\\"'{}#!$@~,()=5 ")
    keep = where + chance.choice((0, 0, 1))
    lines[at] = lines[at][:where] + odd + lines[at][keep:]


def lengthen(chance: Random, lines: Lines) -> None:
    """A line of about the length of keepalived's buffer."""
    at = _spot(chance, lines)
    wanted = chance.choice((1020, 1021, 1022, 1023, 1024, 1025, 2045, 2046, 2047, 2100))
    fill = chance.choice((" ", "x", "# ", "a b ", "\t", "é"))
    missing = max(wanted - len(lines[at].encode("utf-8", "replace")), 0)
    padding = (fill * missing)[:missing]
    if chance.random() < 0.5:
        lines[at] += chance.choice(("", " ", "#")) + padding
    else:
        lines[at] = padding + lines[at]


def define(chance: Random, lines: Lines) -> None:
    """A word, or a piece of a line, is hidden behind a definition."""
    at = _spot(chance, lines)
    line, name = lines[at], chance.choice(NAMES)
    if not line:
        return
    start = chance.randrange(len(line))
    end = chance.randint(start, len(line))
    if chance.random() < 0.6 and (words := list(re.finditer(r"[^ {}]+", line))):
        start, end = chance.choice(words).span()
    use = chance.choice((f"${name}", f"${{{name}}}"))
    lines[at] = line[:start] + use + line[end:]
    lines.insert(chance.randint(0, at), f"${name}={line[start:end]}")


def define_lines(chance: Random, lines: Lines) -> None:
    """Several lines are hidden behind a definition of several lines."""
    at = _spot(chance, lines)
    end = at + chance.randint(1, 7)
    name = chance.choice(NAMES)
    taken = lines[at:end]
    use = chance.choice((f"${name}", f"${{{name}}}", f"  ${name}"))
    if chance.random() < 0.3:
        use = opening(chance, chance.choice(NAMES)) + " " + use
    first = chance.choice(("", "", " ", taken.pop(0) + " ")) if taken else ""
    lines[at:end] = [f"${name}={first}\\", *multiline(chance, taken or [""]), use]


def repeat(chance: Random, lines: Lines) -> None:
    """A line is repeated by a sequence, its number by the variable."""
    at = _spot(chance, lines)
    name = chance.choice(NAMES)
    line = re.sub(r"\b\d+\b", lambda _: f"${{{name}}}", lines[at], count=1)
    lines[at] = f"{opening(chance, name)} {line}"


def spell(chance: Random, lines: Lines) -> None:
    """A letter's case, or a keyword with a letter more."""
    at = _spot(chance, lines)
    if words := lines[at].split():
        word = chance.choice(words)
        lines[at] = lines[at].replace(word, chance.choice((word.upper(), word + "x", word[:-1])), 1)


LINE_WISE: tuple[tuple[Callable[[Random, Lines], None], int], ...] = (
    *((join, 6), (flatten, 6), (part, 8), (glue, 4), (brace, 8), (drop, 6), (double, 5), (move, 5)),
    *((comment, 6), (conditional, 6), (backslash, 4), (quotes, 5), (character, 4), (lengthen, 2)),
    *((define, 8), (define_lines, 6), (repeat, 6), (spell, 2)),
)


def outline(chance: Random, draft: Draft) -> None:
    """Lines move into a file of their own, which is included."""
    name = chance.choice(list(draft))
    lines = draft[name]
    if not lines:
        return
    at = _spot(chance, lines)
    end = at + chance.randint(0, 8)
    file = chance.choice(FILES)
    draft[file] = draft.get(file, []) + lines[at:end]
    lines[at:end] = [f"include {file}"]


def add_file(chance: Random, draft: Draft) -> None:
    """A file more, which some include may name."""
    draft[chance.choice(FILES)] = document(chance, 2)


def disturb(chance: Random, draft: Draft, times: int) -> None:
    """So many disturbances, one after the other."""
    acts, weights = zip(*LINE_WISE, strict=True)
    for _ in range(times):
        kind = chance.random()
        if kind < 0.10:
            outline(chance, draft)
        elif kind < 0.14:
            add_file(chance, draft)
        else:
            lines = draft[MAIN if chance.random() < 0.75 else chance.choice(list(draft))]
            if lines:
                chance.choices(acts, weights)[0](chance, lines)
