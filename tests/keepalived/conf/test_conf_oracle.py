"""What the reader gives, held against the keepalived that is installed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.keepalived.cases import CASES, CONFIG_ID, Case
from tests.keepalived.oracle import Oracle, Verdict

pytestmark = pytest.mark.netns

AT_A_TIME = 4


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """All cases at once: each is quick, and most of it is waiting."""
    oracle = Oracle.build(tmp_path_factory.mktemp("shim"))

    def ask(case: Case) -> Verdict:
        configuration = case.write(tmp_path_factory.mktemp("configuration"))
        return oracle.ask(configuration, CONFIG_ID, tmp_path_factory.mktemp("scratch"))

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(ask, CASES))
    return {case.name: verdict for case, verdict in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keepalived_programmes_what_the_case_says(case: Case, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[case.name]
    assert verdict.services == case.expected | case.expected_reserved, verdict.log
