"""The manual says what is so: links lead somewhere, the list of metrics is the code's own."""

import re
from pathlib import Path

import pytest

from lvsmarkd.cli.main import parser
from lvsmarkd.model.finding import Kind
from lvsmarkd.telemetry.series import ALL

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_metric_is_in_the_manual() -> None:
    rows = [f"| `{s.name}` | {s.type} | {', '.join(s.labels) or '-'} | {s.help} |" for s in ALL]
    listed = [
        line
        for line in (ROOT / "docs" / "metrics.md").read_text().splitlines()
        if line.startswith("| `lvsmarkd_")
    ]
    assert listed == rows


def test_the_readme_explains_every_kind_of_finding() -> None:
    text = (ROOT / "README.md").read_text()
    for kind in Kind:
        assert f"`{kind}`" in text, kind


def test_every_command_has_a_help_text() -> None:
    for name in ("run", "marks", "plan", "apply", "status", "pause", "resume", "purge"):
        assert name in parser().format_help()
