"""Annotations: declarations in the comments of keepalived.conf.

    [fwmark N] to TARGET[,TARGET…] [TRANSPORT [PORTS]]… [accept]
        [not-from-mac MAC[,MAC…]] [in-interface IF]

The options may come in any order; a blank may stand beside a comma.
"""

import re
from collections.abc import Iterator

from msgspec import Struct, field

from lvsmarkd.declarations import port_ranges, values
from lvsmarkd.model.declaration import Declaration, Ports
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.origin import Problem
from lvsmarkd.model.protocols import TRANSPORTS
from lvsmarkd.model.qualifiers import Qualifier, in_order, kinds
from lvsmarkd.model.refusal import RefusalError, either, nearest
from lvsmarkd.model.service import Network

_EXAMPLE = 'a declaration as "to 192.0.2.10 tcp 80,443"'
_TRANSPORT = "|".join(TRANSPORTS)


def parse(annotation: Annotation) -> tuple[Declaration, ...] | Problem:
    """The declaration that an annotation makes, or what is wrong with it. Never raises."""
    marks = annotation.marks
    try:
        words = _split(annotation.text)
        if words[:1] == ["fwmark"]:
            marks = (_mark(words),)
            words = words[2:]
        statement = _statement(words)
        mark = _only(marks, annotation.text)
    except RefusalError as refusal:
        return Problem(annotation.origin, _message(refusal, annotation.text), marks, fatal=True)
    return (
        Declaration(
            mark=mark,
            to=statement.to,
            ports=port_ranges.normal(statement.ports),
            origin=annotation.origin,
            accept=statement.accept,
            qualifiers=in_order(statement.qualifiers),
        ),
    )


class _Statement(Struct):
    """What was said so far, from ``to`` on."""

    to: tuple[Network | str, ...]
    ports: list[Ports] = field(default_factory=list)
    accept: bool = False
    qualifiers: list[Qualifier] = field(default_factory=list)


def _split(text: str) -> list[str]:
    """The words of a text: a list with its commas is one word, however it is spaced."""
    return re.sub(r"\s*,\s*", ",", text).split()


def _mark(words: list[str]) -> int:
    if len(words) == 1:
        raise RefusalError(None, f'{values.MARK} after "fwmark"')
    word = words[1]
    plain = word.isascii() and word.isdecimal() and len(word) <= 20
    return values.mark(int(word) if plain else word)


def _only(marks: tuple[int, ...], text: str) -> int:
    """The one mark that the annotation is about."""
    match marks:
        case (mark,):
            return mark
        case ():
            raise RefusalError(
                text,
                "a mark, since it stands in no block of a service by mark",
                "put `fwmark N` first",
            )
        case _:
            listed = ", ".join(map(str, marks))
            raise RefusalError(
                text,
                f"one mark, since the block has {len(marks)} of them ({listed})",
                "put `fwmark N` first",
            )


def _statement(words: list[str]) -> _Statement:
    if not words:
        raise RefusalError("", _EXAMPLE)
    if words[0].lower().startswith("lvs"):
        raise RefusalError(" ".join(words), 'a comment that begins with "lvsmarkd:"')
    if words[0] != "to":
        raise RefusalError(words[0], f'"to" and then a target: {_EXAMPLE}')
    if len(words) == 1:
        raise RefusalError(None, f'{values.TARGET} after "to"')
    said = _Statement(tuple(dict.fromkeys(values.target(each) for each in words[1].split(","))))
    rest = words[2:]
    seen: set[str] = set()
    while rest:
        word = rest[0].replace("_", "-")
        if word in seen and word in values.options():
            raise RefusalError(word, "each option once", f'"{word}" stands there twice')
        seen.add(word)
        rest = rest[_take(said, word, rest) :]
    return said


def _take(said: _Statement, word: str, rest: list[str]) -> int:
    """Take in what starts with ``word``; gives how many words of ``rest`` that was."""
    following = rest[1] if len(rest) > 1 else None
    if word in TRANSPORTS:
        transport = TRANSPORTS[word]
        if following is None or following.replace("_", "-") in _words():
            said.ports.append(Ports(transport))
            return 1
        said.ports += [Ports(transport, each) for each in port_ranges.ranges(following)]
        return 2
    if word == "accept":
        said.accept = True
        return 1
    for kind in kinds():
        if word == kind.keyword:
            said.qualifiers.append(kind.parse(_argument(following, word, kind.expected)))
            return 2
    near = nearest(rest[0], _words())
    hint = f"did you mean {near}?" if near else ""
    if word[0].isdecimal():
        hint = "ports follow their transport, in one list with commas, as tcp 80,443"
    raise RefusalError(rest[0], either(_words()), hint)


def _words() -> tuple[str, ...]:
    """What may stand after the targets."""
    return (*TRANSPORTS, *values.options())


def _argument(word: str | None, option: str, expected: str) -> str:
    if word is None:
        raise RefusalError(None, f'{expected} after "{option}"')
    return word


def _message(refusal: RefusalError, text: str) -> str:
    """The sentence, and the corrected text where one can be guessed."""
    for guess in _guesses(text):
        words = _split(guess)
        try:
            if words[:1] == ["fwmark"]:
                _mark(words)
                words = words[2:]
            _statement(words)
        except RefusalError:
            continue
        if guess != text:
            return f"{refusal}; perhaps `# lvsmarkd: {guess}` is meant"
    return str(refusal)


def _guesses(text: str) -> Iterator[str]:
    """What may have been meant, as people who know other tools write it."""
    known = {"fwmark", "to", *_words()}
    text = re.sub(r"(?i)^lvs-?mark-?d?\s*[:;,.=-]?\s*", "", text)
    words = [word.lower() if word.lower() in known else word for word in _split(text)]
    guess = " ".join(words).replace("=", " ")
    guess = re.sub(rf"(\S+)/({_TRANSPORT})\b", r"\2 \1", guess)
    guess = re.sub(rf"\b({_TRANSPORT})[/:]", r"\1 ", guess)
    guess = re.sub(r"^(?:mark|fwmark:?) (?=[0-9])", "fwmark ", guess)
    # A bare name may be any word of a sentence: only an address says that this is a target.
    for start in ("", "fwmark " if re.match(r"[0-9]+ to\b", guess) else "to "):
        if start != "to " or re.match(r"[0-9a-fA-F]+[.:]", guess):
            yield start + guess
    if not re.search(rf"\b(?:{_TRANSPORT})\b", guess):
        yield re.sub(r"^((?:fwmark [0-9]+ )?to \S+) (?=[0-9])", r"\1 tcp ", guess)
