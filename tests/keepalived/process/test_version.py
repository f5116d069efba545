"""Which keepalived is installed, from what it prints of itself."""

import pytest

from lvsmarkd.keepalived.process.version import build_of
from lvsmarkd.model.running import BuildOption

ALL = (
    "Config options:  NFTABLES LVS REGEX VRRP VRRP_AUTH VRRP_VMAC JSON BFD OLD_CHKSUM_COMPAT"
    " SNMP_VRRP SNMP_CHECKER DBUS INIT=systemd SYSTEMD_NOTIFY\n\n"
    "System options:  IPTABLES VSYSLOG MEMFD_CREATE LIBNL3 VRRP_IPVLAN GLOB_BRACE VRF SO_MARK\n"
)


def told(version: str, options: str = ALL) -> str:
    return f"Keepalived v{version} (03/30,2025)\n\nconfigure options: --enable-bfd\n\n{options}"


@pytest.mark.parametrize(
    ("version", "read"),
    [("2.3.3", (2, 3, 3)), ("2.4.3,git20260813", (2, 4, 3)), ("3.0", (3, 0, 0))],
)
def test_the_version(version: str, read: tuple[int, int, int]) -> None:
    build = build_of(told(version))
    assert build is not None
    assert (build.version, build.lacks) == (read, frozenset())


@pytest.mark.parametrize(
    ("without", "lacks"),
    [
        (ALL.replace(" BFD ", " "), {BuildOption.BFD}),
        (ALL.replace(" VRRP ", " "), {BuildOption.VRRP}),
        (ALL.replace(" JSON ", " NO_LINKBEAT "), {BuildOption.JSON, BuildOption.LINKBEAT}),
        (ALL.replace(" LVS", " DISABLE_TRACK_PROCESS LVS"), {BuildOption.TRACK_PROCESS}),
        ("", set()),
    ],
)
def test_what_it_was_built_without(without: str, lacks: set[BuildOption]) -> None:
    build = build_of(told("2.4.3", without))
    assert build is not None
    assert build.lacks == lacks


def test_what_is_no_version() -> None:
    assert build_of("Unable to read build config options file\n") is None
