"""Configurations that nobody thought of: what lvsmarkd reads is what keepalived programmes.

A fixed set of seeds, and a fresh one each time. `make fuzz` goes on for as long as one likes.
"""

import time
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign
from tests.fuzz.comparison import Outcome
from tests.keepalived.oracle import Oracle

pytestmark = pytest.mark.netns

AT_A_TIME = 2
CONFIGURATIONS = 500


@pytest.mark.parametrize("seed", ["first", "second", f"fresh {time.time_ns()}"], ids=lambda _: "")
def test_both_read_the_same(seed: str, tmp_path: Path) -> None:
    campaign = Campaign(Oracle.build(tmp_path), tmp_path, seed)

    campaign.run(AT_A_TIME, most=CONFIGURATIONS)

    assert not campaign.found, "\n\n".join(map(str, campaign.found.values()))
    # The comparison is worth something: most are read in full, and many programme something.
    assert campaign.outcomes[Outcome.AGREED] > CONFIGURATIONS / 2
    assert campaign.ends["serves"] > CONFIGURATIONS / 5
