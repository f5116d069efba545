"""What is read on a director names commands that there are, and nothing of the source's tree."""

import re
from pathlib import Path

import pytest

from lvsmarkd.cli.main import parser

ROOT = Path(__file__).parent.parent.parent
CATALOG = ROOT / "packaging" / "lvsmarkd.catalog"
MAN = sorted((ROOT / "packaging" / "man").iterdir())
PAGES = [CATALOG, ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *MAN]
COMMANDS = set(re.findall(r"^    ([a-z]+) ", parser().format_help(), re.MULTILINE))
# In backticks, in a manual page's literal words, and where a line of a code block begins.
NAMED = re.compile(r"(?:`|^\.(?:Dl|Li) )lvsmarkd ([a-z]+)\b", re.MULTILINE)
TYPED = re.compile(r"^ *lvsmarkd ([a-z]+)\b", re.MULTILINE)
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
STATUS = "a finding that is no mere note, or a plan that is not empty"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_that_is_named_is_there(page: Path) -> None:
    text = page.read_text()
    typed = [name for block in BLOCK.findall(text) for name in TYPED.findall(block)]
    assert {*NAMED.findall(text), *typed} <= COMMANDS


def test_the_commands_are_found() -> None:
    assert {"marks", "plan"} <= set(NAMED.findall(CATALOG.read_text())) & COMMANDS
    assert "purge" in TYPED.findall("".join(BLOCK.findall((ROOT / "docs/restore.md").read_text())))


@pytest.mark.parametrize("page", ["README.md", "packaging/man/lvsmarkd.8", "lvsmarkd/cli/exits.py"])
def test_the_exit_status_is_told_in_the_same_words(page: str) -> None:
    assert STATUS in " ".join((ROOT / page).read_text().split())
    assert STATUS in " ".join(parser().format_help().split())


def test_the_catalog_names_places_of_an_installed_manual() -> None:
    text = CATALOG.read_text()
    assert "/usr/share/doc/lvsmarkd/keepalived.md" in text
    for name in re.findall(r"/usr/share/doc/lvsmarkd/(\S+\.md)", text):
        assert (ROOT / "docs" / name).exists(), name
    assert not re.search(r"(?<!\S)(?:docs|packaging|systemd)/", text)


def test_the_recipe_for_another_user_gives_the_capabilities_that_the_unit_may_have() -> None:
    unit = (ROOT / "systemd" / "lvsmarkd.service").read_text()
    (recipe,) = re.findall(
        r"```\n(\[Service\]\nUser=lvsmarkd\n.*?)```",
        (ROOT / "docs" / "firewalld.md").read_text(),
        re.DOTALL,
    )
    bounds = re.findall(r"(?m)^CapabilityBoundingSet=(.*)$", unit + recipe)
    (ambient,) = re.findall(r"(?m)^AmbientCapabilities=(.*)$", recipe)
    assert set(ambient.split()) == set(" ".join(bounds).split())


def test_a_purge_removes_files_of_ours_by_name_and_no_directory_of_settings() -> None:
    script = (ROOT / "packaging" / "debian" / "lvsmarkd.postrm").read_text()
    for line in re.findall(r"(?m)^ *(rm -rf? .*)$", script):
        assert not (line.startswith("rm -rf") and "/etc/" in line), line
    assert "in /etc/lvsmarkd/lvsmarkd.toml /etc/lvsmarkd/conf.d/*.toml; do\n" in script
