"""A rich rule's words: elements and the attributes that belong to each.

Source: firewalld.richlanguage(5), and what firewalld 1.3.3 takes (measured with 68 spellings).
"""

import shlex

from msgspec import Struct, field

_ATTRIBUTES: dict[str, frozenset[str]] = {
    "source": frozenset({"address", "mac", "ipset", "invert"}),
    "destination": frozenset({"address", "ipset", "invert"}),
    "service": frozenset({"name"}),
    "port": frozenset({"port", "protocol"}),
    "source-port": frozenset({"port", "protocol"}),
    "protocol": frozenset({"value"}),
    "icmp-block": frozenset({"name"}),
    "icmp-type": frozenset({"name"}),
    "masquerade": frozenset(),
    "forward-port": frozenset({"port", "protocol", "to-port", "to-addr"}),
    "tcp-mss-clamp": frozenset({"value"}),
    "log": frozenset({"prefix", "level"}),
    "nflog": frozenset({"group", "prefix", "queue-size"}),
    "audit": frozenset(),
    "accept": frozenset(),
    "reject": frozenset({"type"}),
    "drop": frozenset(),
    "mark": frozenset({"set"}),
}
_OF_THE_RULE = frozenset({"priority", "family"})
_LIMITED = frozenset({"log", "nflog", "audit", "accept", "reject", "drop", "mark"})
_WITH_NOT = frozenset({"source", "destination"})
ALTERNATIVES = (
    frozenset(
        {"service", "port", "source-port", "protocol", "icmp-block", "icmp-type", "masquerade"}
        | {"forward-port", "tcp-mss-clamp"}
    ),
    frozenset({"log", "nflog"}),
    frozenset({"accept", "reject", "drop", "mark"}),
)
"""Of each of these a rule has one at most."""


class RichRuleError(ValueError):
    """The text is no rich rule, or of a kind that is not known here. Says what was found."""


class WrittenElement(Struct):
    """One element: its attributes, whether NOT stands in it, and the limit that follows it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    negated: bool = False
    limit: str | None = None


class RichWords(Struct):
    """A whole rule: the attributes of ``rule`` itself, and its elements by name."""

    attributes: dict[str, str] = field(default_factory=dict)
    elements: dict[str, WrittenElement] = field(default_factory=dict)

    def one_of(self, names: frozenset[str]) -> WrittenElement | None:
        """The one element of these that the rule has."""
        return next((e for name, e in self.elements.items() if name in names), None)


def read_words(text: str) -> RichWords:
    """Split a rule into its elements, in any order and quoting.

    Raises NotUnderstoodError for what firewalld would not take, or is not known here.
    """
    try:
        tokens = shlex.split("".join(filter(str.isprintable, text)))
    except ValueError as error:
        raise RichRuleError(f"{error}: {text}") from error
    if tokens[:1] != ["rule"]:
        raise RichRuleError(f"a rich rule begins with the word rule: {text}")
    words = RichWords()
    last: WrittenElement | None = None
    limiting = False
    for word in tokens[1:]:
        name, is_attribute, value = word.partition("=")
        if limiting and last is not None:
            if name != "value" or not value:
                raise RichRuleError(f"limit has a value, found {word}: {text}")
            last.limit, limiting = value, False
        elif is_attribute:
            _attribute(words, last, name, value, text)
        elif word == "limit" and last is not None and last.name in _LIMITED:
            limiting = True
        elif word in {"not", "NOT"} and last is not None and last.name in _WITH_NOT:
            last.negated = True
        else:
            last = _element(words, word, text)
    if limiting:
        raise RichRuleError(f"limit has a value: {text}")
    return words


def _attribute(
    words: RichWords, last: WrittenElement | None, name: str, value: str, text: str
) -> None:
    if name in _OF_THE_RULE:
        container = words.attributes
    elif last is not None and name in _ATTRIBUTES[last.name]:
        container = last.attributes
    else:
        raise RichRuleError(f"{name} does not belong where it stands: {text}")
    if not value:
        raise RichRuleError(f"{name} has no value: {text}")
    container[name] = value


def _element(words: RichWords, name: str, text: str) -> WrittenElement:
    if name not in _ATTRIBUTES:
        raise RichRuleError(f"{name} is no element that is known here: {text}")
    if name in words.elements or any(
        name in names and words.one_of(names) for names in ALTERNATIVES
    ):
        raise RichRuleError(f"{name} cannot stand beside what is there: {text}")
    words.elements[name] = WrittenElement(name)
    return words.elements[name]
