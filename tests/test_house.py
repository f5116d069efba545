"""The house: files of one idea, one name for one concept, and a plan of it that is true."""

import ast
import re
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "lvsmarkd").rglob("*.py"))
}
LINES = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}

SMALL = {
    "lvsmarkd.__main__": "what `python -m lvsmarkd` starts",
    "lvsmarkd.judge.reverse_path": "one finding, of its own setting of the kernel",
    "lvsmarkd.backends.guard.view": "what the judge reads, beside what the kernel does",
    "lvsmarkd.cli.commands.pause": "a file for each command, which is imported by its name",
    "lvsmarkd.cli.commands.plan": "likewise",
    "lvsmarkd.cli.commands.resume": "likewise",
    "lvsmarkd.cli.commands.run": "likewise",
    "lvsmarkd.cli.duration": "a parser of its own, with tests of its own",
    "lvsmarkd.kernel.queues": "a file for each thing that the kernel is asked",
    "lvsmarkd.watch.netlink_socket": "the one place that imports pyroute2",
    "lvsmarkd.watch.timer": "a source of wake-ups, as each file there is",
}
"""Files under 40 lines that one other imports, with the reason why each is a file."""


def _users() -> dict[str, set[str]]:
    users = defaultdict[str, set[str]](set)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    users[whole if whole in MODULES else node.module].add(name)
    return users


def test_a_file_holds_one_idea() -> None:
    assert median(LINES.values()) <= 150
    assert {name: lines for name, lines in LINES.items() if lines > 400} == {}


def test_a_file_is_not_smaller_than_an_idea() -> None:
    users = _users()
    small = {
        name
        for name, path in MODULES.items()
        if LINES[name] < 40 and path.name != "__init__.py" and len(users[name]) <= 1
    }
    assert small == SMALL.keys()


def test_no_name_stands_for_two_concepts() -> None:
    where = defaultdict[str, list[str]](list)
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                where[node.name.lstrip("_")].append(module)
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_the_plan_of_the_house_names_files_that_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {path.name for path in (ROOT / "lvsmarkd").iterdir() if path.is_dir()}
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py)?)`", text))
    inside = {name for name in named if name.split("/")[0] in rooms}
    assert len(inside) > 20
    assert [name for name in sorted(inside) if not (ROOT / "lvsmarkd" / name).exists()] == []


def test_every_room_is_in_the_plan() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for room in (path for path in (ROOT / "lvsmarkd").iterdir() if path.is_dir()):
        if (room / "__init__.py").exists():
            assert f"`{room.name}/`" in text, room.name
