"""The vrrp_instances that the reader gives, held against the keepaliveds that there are."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.keepalived.cases import CONFIG_ID
from tests.keepalived.editions import EDITIONS, command_of
from tests.keepalived.instance_cases import INSTANCE_CASES, InstanceCase
from tests.keepalived.instances import InstancesOracle
from tests.keepalived.oracle import Oracle

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module", params=EDITIONS)
def edition(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Of each edition. One that cannot be had fails what asks it, and says why."""
    return Oracle.build(tmp_path_factory.mktemp("shim"), command_of(request.param))


@pytest.fixture(scope="module")
def oracle(edition: Oracle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstancesOracle]:
    """One that is started once, and asked for every case."""
    with closing(
        InstancesOracle(edition, tmp_path_factory.mktemp("standing"), CONFIG_ID)
    ) as standing:
        yield standing


@pytest.mark.parametrize("case", INSTANCE_CASES, ids=lambda case: case.name)
def test_keepalived_holds_and_complains_of_what_the_case_says(
    case: InstanceCase, edition: Oracle, oracle: InstancesOracle
) -> None:
    case.write(oracle.clear())
    answer = oracle.ask()

    if case.doubtful(edition.built.version):
        return
    expected = case.expected_of(edition.built.version)
    assert answer.starts == (expected is not None), answer.log
    if expected is not None:
        assert answer.held == expected, answer.log
    assert case.complaint_of(edition.built.version) in answer.log
