"""The real keepalived, built once."""

import pytest

from tests.harness.keepalived import Keepaliveds
from tests.keepalived.oracle import Oracle


@pytest.fixture(scope="session")
def keepaliveds(tmp_path_factory: pytest.TempPathFactory) -> Keepaliveds:
    oracle = Oracle.build(tmp_path_factory.mktemp("shim"))
    return Keepaliveds(oracle, tmp_path_factory.mktemp("logs"))
