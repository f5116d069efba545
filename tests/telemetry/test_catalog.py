"""The catalog of the journal explains every event, and only those."""

import re
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from lvsmarkd.telemetry.message import Event

CATALOG = Path(__file__).parents[2] / "packaging" / "lvsmarkd.catalog"
FIELDS = {
    "ADDRESS", "ERROR", "FAMILY", "HAVE", "KIND", "MARK", "MODE", "ORIGIN", "PLAN", "TROUBLE",
    "WANT", "WATCHER",
}  # fmt: skip


def entries() -> dict[str, str]:
    """The text of each entry by its id."""
    text = re.sub(r"^#.*\n", "", CATALOG.read_text(), flags=re.MULTILINE)
    _, *parts = re.split(r"^-- (\S+)\n", text, flags=re.MULTILINE)
    assert len(parts) == len(set(parts[::2])) + len(parts[::2])
    return dict(list(pairwise(parts))[::2])


def test_the_catalog_and_the_events_agree() -> None:
    assert set(entries()) == set(Event)


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_each_entry_says_what_happened_and_what_to_do(event: Event) -> None:
    header, _, body = entries()[event].partition("\n\n")
    subject, *rest = header.splitlines()
    assert subject.startswith("Subject: ")
    assert rest == ["Defined-By: lvsmarkd"]
    assert body.strip().endswith((".", "@", "lvsmarkd(8)"))
    for name in re.findall(r"@(\w*)@", header + body):
        assert name.removeprefix("LVSMARKD_") in FIELDS


def test_the_ids_are_random_uuids_each_its_own() -> None:
    assert len({UUID(event) for event in Event}) == len(Event.__members__)
    assert {UUID(event).version for event in Event} == {4}
