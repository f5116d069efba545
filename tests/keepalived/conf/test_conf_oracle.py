"""What the reader gives, held against the keepaliveds that there are."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.keepalived.cases import CASES, CONFIG_ID, Case
from tests.keepalived.editions import EDITIONS, command_of
from tests.keepalived.oracle import Oracle, Verdict

pytestmark = pytest.mark.netns

AT_A_TIME = 4


@pytest.fixture(scope="module", params=EDITIONS)
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Of each edition. One that cannot be had fails what asks it, and says why."""
    return Oracle.build(tmp_path_factory.mktemp("shim"), command_of(request.param))


@pytest.fixture(scope="module")
def verdicts(oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """All cases at once: each is quick, and most of it is waiting."""

    def ask(case: Case) -> Verdict:
        configuration = case.write(tmp_path_factory.mktemp("configuration"))
        return oracle.ask(configuration, CONFIG_ID, tmp_path_factory.mktemp("scratch"))

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(ask, CASES))
    return {case.name: verdict for case, verdict in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keepalived_programmes_what_the_case_says(
    case: Case, oracle: Oracle, verdicts: dict[str, Verdict]
) -> None:
    verdict = verdicts[case.name]
    expected = case.expected_of(oracle.built) | case.expected_reserved
    assert verdict.services == expected, verdict.log
