"""Prose is not data: nothing is told from the words of a sentence, nor a kind from a name.

What is looked for in lvsmarkd/: a method of strings, a regular expression, `in`, or a
comparison with a text, where what it is about is a sentence or a name that is for people to read.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "lvsmarkd"
PROSE = frozenset({"advice", "detail", "fact", "message", "reason", "target", "where"})
"""Attributes that hold words for people, or the name of an extension of iptables."""
NAMES = frozenset({"identity"})
"""What is asked for its kind, not for how its name begins."""
METHODS = frozenset(
    {"endswith", "find", "index", "partition", "removeprefix", "removesuffix", "rfind"}
    | {"rpartition", "rsplit", "split", "splitlines", "startswith"}
)
REGEXES = frozenset({"findall", "finditer", "fullmatch", "match", "search", "split", "sub"})
READERS = frozenset({"keepalived", "declarations", "netfilter", "kernel", "watch"})
"""Rooms whose matter is the text of files and listings: there ``text`` is what is read."""


def hits(tree: ast.AST, prose: frozenset[str]) -> Iterator[int]:
    """The lines where words are taken apart."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=whole, attr=method)) if method in METHODS:
                if _is_prose(whole, prose):
                    yield node.lineno
            case ast.Call(func=ast.Attribute(attr=method), args=args) if method in REGEXES:
                if any(_is_prose(each, prose) for each in args):
                    yield node.lineno
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[whole]):
                if _is_prose(whole, prose) or _is_printed_rule(left):
                    yield node.lineno
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                if _is_printed_rule(left) or _is_printed_rule(right):
                    yield node.lineno


def _is_prose(node: ast.expr, prose: frozenset[str]) -> bool:
    match node:
        case ast.Attribute(attr="name", value=ast.Attribute(attr=of) | ast.Name(id=of)):
            return of in NAMES
        case ast.Attribute(attr=attr):
            return attr in prose
        case _:
            return False


def _is_printed_rule(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name) | ast.Attribute(attr=name)]):
            return "rule" in name
        case _:
            return False


def found() -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        prose = PROSE if name.split("/")[0] in READERS else PROSE | {"text"}
        if count := len(list(hits(ast.parse(path.read_text()), prose))):
            counts[name] = count
    return counts


def test_nothing_is_told_from_the_words_of_a_sentence() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    "code",
    [
        'finding.message.partition("; ")[0]',
        'rule.where.endswith("chain INPUT")',
        'each.text.startswith("-A LVSMARKD ")',
        '"CONNMARK" in other.effect.target',
        "_OF_FIREWALLD.search(rule.where)",
        'backend.identity.name.startswith("iptables")',
        "str(rule) == finding.detail",
        "str(rule) in lost",
        "place in finding.message",
    ],
)
def test_what_was_done_once_would_be_found(code: str) -> None:
    assert list(hits(ast.parse(code), PROSE | {"text"}))
