"""A rule in iptables' words, taken apart: which option, of which match, with which values."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

_TOKEN = re.compile(r'(?<!\S)"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
LONG = {
    "--jump": "-j",
    "--goto": "-g",
    "--destination": "-d",
    "--dst": "-d",
    "--source": "-s",
    "--src": "-s",
    "--protocol": "-p",
    "--proto": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--match": "-m",
    "--fragment": "-f",
    "--destination-port": "--dport",
    "--source-port": "--sport",
    "--destination-ports": "--dports",
    "--source-ports": "--sports",
}
"""Spellings that people type, and what iptables-save prints for them."""
GENERAL = frozenset({"-s", "-d", "-i", "-o", "-p", "-f"})
"""Options that stand for themselves, whatever match was named before."""
OF_PROTOCOL = frozenset({"--dport", "--sport", "--tcp-flags", "--syn"})
"""Options of the protocol's own match, which iptables loads with -p: no other match has them."""


NO_MODULE = ""
PROTOCOL = "protocol"


class Quoted(str):
    """A word that stood in quotes: it is no option, whatever it looks like."""

    __slots__ = ()


class Option(Struct, frozen=True):
    """One option with its values."""

    name: str
    values: tuple[str, ...] = ()
    negated: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """As it was written."""
        return (*(("!",) if self.negated else ()), self.name, *self.values)


class MatchWords(Struct, frozen=True):
    """One match (``-m``) with the options that belong to it."""

    module: str
    options: list[Option] = field(default_factory=list)


class Words(Struct):
    """A rule, taken apart. The first two matches are always there: the general options, under
    no name, and those of the protocol.
    """

    matches: list[MatchWords] = field(
        default_factory=lambda: [MatchWords(NO_MODULE), MatchWords(PROTOCOL)]
    )
    target: str = ""
    goto: bool = False
    target_words: tuple[str, ...] = ()


def split(text: str) -> list[str]:
    """Split as iptables-restore does: blanks part words, double quotes keep them together."""
    if '"' not in text:
        return text.split()
    return [
        Quoted(_ESCAPED.sub(r"\1", found[1])) if found[1] is not None else found[2]
        for found in _TOKEN.finditer(text)
    ]


def take_apart(tokens: Sequence[str]) -> Words:
    """Which option belongs to which match. Never fails."""
    rule = Words()
    general, of_protocol = rule.matches
    latest = general
    for name, negated, values in _options(tokens):
        if name in {"-j", "-g"}:
            rule.target, rule.goto = (values[0] if values else ""), name == "-g"
            rule.target_words = tuple(values[1:])
        elif name == "-m" and values:
            latest = MatchWords(values[0])
            rule.matches.append(latest)
        else:
            whose = general if name in GENERAL else of_protocol if name in OF_PROTOCOL else latest
            whose.options.append(Option(name, tuple(values), negated))
    return rule


def _options(tokens: Sequence[str]) -> Iterator[tuple[str, bool, Sequence[str]]]:
    """Each option with its values; the target takes all the words that are left."""
    index, count = 0, len(tokens)
    while index < count:
        negated = tokens[index] == "!"
        index += negated
        if index == count:
            return
        name, index = LONG.get(tokens[index], tokens[index]), index + 1
        if name in {"-j", "-g"}:
            yield name, negated, tokens[index:]
            return
        start = index
        if name == "--comment":
            index = min(index + 1, count)  # whatever it looks like
        while index < count and not _begins_option(tokens[index]):
            index += 1
        yield name, negated, tokens[start:index]


def _begins_option(word: str) -> bool:
    return (word == "!" or word[:1] == "-") and not isinstance(word, Quoted)
