"""Which services a configuration comes to; the same cases are put to the real keepalived."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import Dialect
from lvsmarkd.model.running import Build, Version
from tests.keepalived.cases import CASES, CONFIG_ID, Case

VERSIONS = [(2, 2, 7), (2, 2, 8), (2, 3, 3), (2, 3, 4), (2, 4, 3)]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_services_of_a_configuration(case: Case, version: Version, tmp_path: Path) -> None:
    reading = read(case.write(tmp_path), CONFIG_ID, dialect=Dialect(Build(version)))

    found = {(service.key.family.value, service.key.mark) for service in reading.services}
    assert found == case.expected_of(version), "\n".join(map(str, reading.problems))

    reserved = reading.reserved.keys if reading.reserved else frozenset()
    assert {(key.family.value, key.mark) for key in reserved} == case.expected_reserved
