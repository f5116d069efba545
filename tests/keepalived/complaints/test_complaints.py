"""Every complaint of keepalived's that matters to a service by mark has its problem."""

from pathlib import Path

import pytest

from lvsmarkd.model.keepalived import Completeness
from tests.keepalived.complaints import KINDS, Kind
from tests.keepalived.editions import EDITIONS, build_asked, command_of
from tests.keepalived.oracle import Oracle


@pytest.fixture(scope="module")
def oracles(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int, int], Oracle]:
    """By version."""
    commands = [command_of(edition) for edition in EDITIONS]
    return {
        build_asked(command).version: Oracle.build(tmp_path_factory.mktemp("shim"), command)
        for command in commands
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.directory.name)
def test_the_problem_is_what_stands_there(kind: Kind) -> None:
    assert kind.problems() == (kind.directory / "problems").read_text()
    assert kind.problems(), "it is told"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.directory.name)
def test_a_problem_names_a_line_and_what_to_do(kind: Kind) -> None:
    for problem in kind.reading().problems:
        assert problem.origin.line
        assert ": " in problem.message


@pytest.mark.netns
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.directory.name)
def test_keepalived_says_what_stands_beside_it(
    kind: Kind, oracles: dict[tuple[int, int, int], Oracle], tmp_path: Path
) -> None:
    oracle = oracles.get(kind.build.version)
    assert oracle is not None, f"keepalived {kind.build.dotted} is none of those that are asked"
    verdict = kind.ask(oracle, tmp_path)

    assert kind.log(verdict) == (kind.directory / "log").read_text()
    reading = kind.reading()
    ours = {(str(service.key.family), service.key.mark) for service in reading.services}
    assert ours == verdict.services
    # What ends keepalived, and nothing else, keeps the last good state in force.
    ends = any(problem.fatal for problem in reading.problems)
    assert ends is (reading.completeness is not Completeness.WHOLE)
