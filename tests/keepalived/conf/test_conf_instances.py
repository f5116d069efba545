"""The vrrp_instances of configurations: what is held, and what is said of the rest."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.keepalived import Completeness
from lvsmarkd.model.running import Build, Version
from tests.keepalived.cases import CONFIG_ID, Case, instance, server
from tests.keepalived.instance_cases import INSTANCE_CASES, PLAIN, V4, InstanceCase, vips
from tests.keepalived.instances import Held

VERSIONS = [(2, 2, 7), (2, 2, 8), (2, 3, 3), (2, 4, 3)]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
@pytest.mark.parametrize("case", INSTANCE_CASES, ids=lambda case: case.name)
def test_instances_of_a_configuration(case: InstanceCase, version: Version, tmp_path: Path) -> None:
    reading = read(case.write(tmp_path), CONFIG_ID, dialect=Dialect(Build(version)))

    told = [f"{problem.origin.line}: {problem.message}" for problem in reading.problems]
    if case.doubtful(version):
        assert (reading.completeness, case.says) == (Completeness.SUSPECT, "may crash on it")
        assert any(case.says in each for each in told), told
        return
    expected = case.expected_of(version)
    starts = not any(problem.fatal for problem in reading.problems)
    assert starts == (expected is not None), told
    if expected is not None:
        assert frozenset(map(Held.of, reading.instances)) == expected, told
    spoken = not case.since or version < min(case.since)
    assert not spoken or any(case.says in each for each in told) or not case.says, told


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_what_keepalived_takes_is_not_mentioned(case: InstanceCase, tmp_path: Path) -> None:
    assert read(case.write(tmp_path), CONFIG_ID).problems == ()


def test_services_are_known_where_keepalived_does_not_start_for_its_instances(
    tmp_path: Path,
) -> None:
    text = instance(vips(V4), router=256) + server(21)
    reading = read(Case("", text).write(tmp_path), CONFIG_ID)

    assert [service.key.mark for service in reading.services] == [21]
    assert reading.completeness is Completeness.SUSPECT
    assert [problem.fatal for problem in reading.problems] == [True]


def test_what_depends_on_the_host_is_not_claimed(tmp_path: Path) -> None:
    text = instance(vips(f"{V4} dev no_such_device")).replace("eth0", "no_such_thing")
    reading = read(Case("", text).write(tmp_path), CONFIG_ID)

    assert reading.problems == ()
    assert len(reading.instances[0].vips) == 1


def test_with_dynamic_interfaces_the_same_router_twice_is_said_with_a_condition(
    tmp_path: Path,
) -> None:
    text = "global_defs {\n dynamic_interfaces\n}\n"
    text += instance(vips(V4)) + instance(vips("192.0.2.20"), "VI_2")
    [problem] = read(Case("", text).write(tmp_path), CONFIG_ID).problems

    assert not problem.fatal
    assert "where that interface is there" in problem.message


def test_strict_mode_and_unicast_peers_are_told_of_since_2_4(tmp_path: Path) -> None:
    text = instance("strict_mode\n unicast_peer {\n 192.0.2.3\n }\n " + vips(V4))
    path = Case("", text).write(tmp_path)

    assert read(path, CONFIG_ID).problems == ()
    [problem] = read(path, CONFIG_ID, dialect=Dialect(Build((2, 4, 3)))).problems
    assert "unicast peers and strict mode" in problem.message
