"""Firewalls to test on that several files share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.grounds import FirewalldGround, firewalld_ground
from tests.harness.firewalld import RealFirewalld


@pytest.fixture
def ground(real_firewalld: RealFirewalld, tmp_path: Path) -> Iterator[FirewalldGround]:
    """A firewalld that runs, with our rules in a policy."""
    with firewalld_ground(real_firewalld, tmp_path / "state", "policy") as made:
        yield made
