"""Which services a configuration comes to; the same cases are put to the real keepalived."""

from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from tests.keepalived.cases import CASES, CONFIG_ID, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_services_of_a_configuration(case: Case, tmp_path: Path) -> None:
    reading = read(case.write(tmp_path), CONFIG_ID)

    found = {(service.key.family.value, service.key.mark) for service in reading.services}
    assert found == case.expected, "\n".join(map(str, reading.problems))

    reserved = reading.reserved.keys if reading.reserved else frozenset()
    assert {(key.family.value, key.mark) for key in reserved} == case.expected_reserved
