"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from tests.harness import netns as namespace
from tests.harness.firewalld import RealFirewalld, firewalld
from tests.harness.keepalived import Keepaliveds
from tests.keepalived.oracle import Oracle

# A loaded machine is slow, and that is no fault of what is tested.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# The machine's own firewalld is nobody's business here: no test finds it on its bus.
os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses a namespace is marked so: `make check` leaves it out."""
    for item in items:
        if "netns" in getattr(item, "fixturenames", ()):
            item.add_marker("netns")


@pytest.fixture(scope="session")
def _mounts() -> None:
    namespace.private_mounts()


@pytest.fixture
def netns(_mounts: None) -> None:
    """A fresh private network namespace for the test."""
    namespace.enter_fresh()


@pytest.fixture(params=["nft", "legacy"])
def variant(
    request: pytest.FixtureRequest, netns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Both variants of iptables, one after the other, each in a fresh namespace."""
    name = str(request.param)
    monkeypatch.setenv("PATH", namespace.use_variant(tmp_path / "bin", name))
    yield name
    assert os.path.realpath(tmp_path / "bin")


@pytest.fixture(scope="session")
def keepaliveds(tmp_path_factory: pytest.TempPathFactory) -> Keepaliveds:
    """The real keepalived, to be run as on a director."""
    oracle = Oracle.build(tmp_path_factory.mktemp("shim"))
    return Keepaliveds(oracle, tmp_path_factory.mktemp("logs"))


@pytest.fixture(params=["nftables", "iptables"])
def firewalld_backend(request: pytest.FixtureRequest) -> str:
    """Both of firewalld's own backends, one after the other."""
    return str(request.param)


@pytest.fixture
def real_firewalld(
    netns: None, firewalld_backend: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealFirewalld]:
    """firewalld on a bus of its own, which all that the test starts takes for the system's."""
    with firewalld(firewalld_backend) as bed:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bed.address)
        yield bed


@pytest.fixture
def adapter(real_firewalld: RealFirewalld) -> Iterator[BusFirewalld]:
    """Our side of it."""
    with BusFirewalld() as ours:
        yield ours
