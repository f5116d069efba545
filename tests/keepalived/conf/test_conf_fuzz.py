"""Configurations that nobody thought of: what lvsmarkd reads is what keepalived programmes.

The seeds are fixed, so that a run says of a change what it said before it. `make fuzz` goes on
from a fresh one for as long as one likes.
"""

import os
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign
from tests.fuzz.comparison import Outcome
from tests.fuzz.subject import INSTANCES
from tests.fuzz.vocabulary import CONFIG_ID
from tests.keepalived.editions import EDITIONS, command_of
from tests.keepalived.oracle import PID_OPTIONS, Oracle
from tests.keepalived.standing import StandingOracle

pytestmark = pytest.mark.netns

AT_A_TIME = 2
CONFIGURATIONS = 500


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("seed", ["first", "second", "third"])
def test_both_read_the_same(seed: str, edition: str, tmp_path: Path) -> None:
    campaign = Campaign(Oracle.build(tmp_path, command_of(edition)), tmp_path, seed)

    campaign.run(AT_A_TIME, most=CONFIGURATIONS)

    assert not campaign.found, "\n\n".join(map(str, campaign.found.values()))
    # The comparison is worth something: most are read in full, and many programme something.
    assert campaign.outcomes[Outcome.AGREED] > CONFIGURATIONS / 2
    assert campaign.ends["serves"] > CONFIGURATIONS / 5


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("seed", ["first", "second"], ids=lambda _: "")
def test_both_hold_the_same_instances(seed: str, edition: str, tmp_path: Path) -> None:
    oracle = Oracle.build(tmp_path, command_of(edition))
    campaign = Campaign(oracle, tmp_path, seed, INSTANCES)

    campaign.run(AT_A_TIME, most=CONFIGURATIONS)

    assert not campaign.found, "\n\n".join(map(str, campaign.found.values()))
    assert campaign.outcomes[Outcome.AGREED] > CONFIGURATIONS * 0.9
    assert campaign.ends["serves"] > CONFIGURATIONS / 3


def test_an_old_process_number_in_use_again_keeps_no_keepalived_from_its_answer(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "standing"
    directory.mkdir()
    with StandingOracle(Oracle.build(tmp_path), directory, CONFIG_ID) as oracle:
        for name in PID_OPTIONS:
            (directory / name).write_text(f"{os.getpid()}\n")
        configuration = oracle.clear() / "keepalived.conf"
        configuration.write_text("virtual_server fwmark 8 {\n real_server 192.0.2.1 80 {\n }\n}\n")

        assert oracle.ask().services == {("inet", 8)}
