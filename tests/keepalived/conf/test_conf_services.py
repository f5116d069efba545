"""Which services a configuration comes to; the same cases are put to the real keepalived."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.running import Build
from tests.keepalived.cases import CASES, CONFIG_ID, Case

BUILDS = [Build(version) for version in ((2, 2, 7), (2, 2, 8), (2, 3, 3), (2, 3, 4), (2, 4, 3))]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.dotted)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_services_of_a_configuration(case: Case, build: Build, tmp_path: Path) -> None:
    reading = read(case.write(tmp_path), CONFIG_ID, dialect=Dialect(build))

    found = {(service.key.family.value, service.key.mark) for service in reading.services}
    assert found == case.expected_of(build), "\n".join(map(str, reading.problems))

    reserved = reading.reserved.keys if reading.reserved else frozenset()
    assert {(key.family.value, key.mark) for key in reserved} == case.expected_reserved
