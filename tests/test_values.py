"""What mypy does not look at in values: the names that are given to ``replace``.

msgspec's ``replace`` takes any name to a type checker, and raises TypeError where it runs.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "lvsmarkd"


def _classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _fields(tree: ast.AST) -> set[str]:
    """The names that a class of the module has annotated, and says no ClassVar."""
    return {
        item.target.id
        for each in _classes(tree)
        for item in each.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and not ast.unparse(item.annotation).startswith("ClassVar")
    }


def _replaced(tree: ast.AST) -> Iterator[tuple[int, str | None]]:
    """The names given to ``replace``, with their lines; None for ``**names``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "replace":
            yield from ((node.lineno, each.arg) for each in node.keywords)


def test_what_is_replaced_is_a_field() -> None:
    trees = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    fields = set().union(*map(_fields, trees.values()))
    replaced = [
        (f"{path.name}:{line}", name)
        for path, tree in trees.items()
        for line, name in _replaced(tree)
    ]
    assert len(replaced) > 20
    assert [each for each in replaced if each[1] not in fields] == []
