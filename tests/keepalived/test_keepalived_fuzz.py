"""Configurations that nobody thought of: what lvsmarkd reads is what keepalived programmes.

The seeds are fixed, so that a run says of a change what it said before it. `make fuzz` goes on
from a fresh one for as long as one likes.
"""

from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign
from tests.fuzz.comparison import Outcome
from tests.keepalived.oracle import Oracle

pytestmark = pytest.mark.netns

AT_A_TIME = 2
CONFIGURATIONS = 500


@pytest.mark.parametrize("seed", ["first", "second", "third"], ids=lambda _: "")
def test_both_read_the_same(seed: str, tmp_path: Path) -> None:
    campaign = Campaign(Oracle.build(tmp_path), tmp_path, seed)

    campaign.run(AT_A_TIME, most=CONFIGURATIONS)

    assert not campaign.found, "\n\n".join(map(str, campaign.found.values()))
    # The comparison is worth something: most are read in full, and many programme something.
    assert campaign.outcomes[Outcome.AGREED] > CONFIGURATIONS / 2
    assert campaign.ends["serves"] > CONFIGURATIONS / 5
