"""Which instances have keepalived drop what comes for their addresses, and by which word; the set
of addresses in the real keepalived's own table is the witness.
"""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from lvsmarkd.keepalived import read
from lvsmarkd.keepalived.conf.dialect import REFERENCE, Dialect
from lvsmarkd.model.keepalived import VipClosing, VrrpInstance
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.running import BuildOption
from tests.harness.daemon import until
from tests.harness.netns import run
from tests.keepalived.oracle import ALONE, PID_OPTIONS

# Words of an instance; whether its addresses are closed, as such and with vrrp_strict in
# global_defs; the word that does it (the line is that of the word).
CASES: dict[str, tuple[str | None, str | None]] = {
    "": (None, "vrrp_strict"),
    "priority 100": (None, "vrrp_strict"),
    "priority 254": (None, "vrrp_strict"),
    "priority 255": (None, None),
    "priority 256": (None, "vrrp_strict"),
    "priority 255x": (None, "vrrp_strict"),
    "state MASTER": (None, None),
    "state BACKUP": (None, "vrrp_strict"),
    "state MASTER; state BACKUP": (None, None),
    "state MASTER; state master": (None, "vrrp_strict"),
    "state MASTER; priority 100": (None, "vrrp_strict"),
    "no_accept": ("no_accept", "no_accept"),
    "no_accept; priority 255": (None, None),
    "no_accept; accept": (None, "vrrp_strict"),
    "accept; no_accept": ("no_accept", "no_accept"),
    "accept": (None, "vrrp_strict"),
    "accept; version 2": (None, "vrrp_strict"),
    "accept; version 3": (None, None),
    "version 3": (None, "vrrp_strict"),
    "version 3; no_accept": ("no_accept", "no_accept"),
    "strict_mode": ("strict_mode", "strict_mode"),
    "strict_mode; version 3; accept": (None, None),
    "strict_mode off": (None, None),
    "strict_mode off; no_accept": ("no_accept", "no_accept"),
    "nopreempt; no_accept": ("no_accept", "no_accept"),
}


def configuration(definitions: str) -> str:
    """An instance for each case; its one address ends with its number."""
    text = f"global_defs {{\n{definitions}\n}}\n"
    for number, words in enumerate(CASES, 1):
        lines = "\n".join(words.split("; "))
        text += (
            f"vrrp_instance I{number} {{\ninterface eth0\nvirtual_router_id {number}\n{lines}\n"
            f"virtual_ipaddress {{\n10.9.0.{number}\n}}\n"
            f"virtual_ipaddress_excluded {{\n10.9.1.{number}\n2001:db8::{number}\n}}\n}}\n"
        )
    return text


def instances(text: str, directory: Path, *lacks: BuildOption) -> tuple[VrrpInstance, ...]:
    (directory / "keepalived.conf").write_text(text)
    build = REFERENCE.__class__(REFERENCE.version, frozenset(lacks))
    return read(directory / "keepalived.conf", dialect=Dialect(build)).instances


@pytest.mark.parametrize("strict", [False, True])
def test_the_word_that_closes_is_known_with_its_line(tmp_path: Path, *, strict: bool) -> None:
    text = configuration("vrrp_strict" if strict else "")
    lines = text.splitlines()
    found = instances(text, tmp_path)
    told = {i.name: i.closing.keyword if i.closing else None for i in found}
    expected = (words[strict] for words in CASES.values())
    assert told == {f"I{n}": word for n, word in enumerate(expected, 1)}
    for each in found:
        if each.closing is not None:
            assert lines[each.closing.origin.line - 1].split()[0] == each.closing.keyword


def test_in_strict_mode_accept_counts_with_vrrp_version_3_only(tmp_path: Path) -> None:
    def closing(instance: str, definitions: str = "vrrp_strict") -> VipClosing | None:
        text = f"global_defs {{\n{definitions}\n}}\nvrrp_instance A {{\n{instance}\n}}\n"
        (only,) = instances(text, tmp_path)
        return only.closing

    there = Origin(str(tmp_path / "keepalived.conf"), 2)
    assert closing("accept") == VipClosing("vrrp_strict", there, takes_accept=False)
    assert closing("version 3") == VipClosing("vrrp_strict", there, takes_accept=True)
    assert closing("accept", "vrrp_strict\nvrrp_version 3") is None
    assert closing("virtual_ipaddress {\n2001:db8::1\n}\naccept") is None  # speaks version 3


@pytest.mark.parametrize(
    ("definitions", "lacks", "closed"),
    [
        ("", (), True),
        ("nftables own\nnftables_priority 98", (), True),
        # IPVS has taken them before.
        ("nftables_priority 100", (), False),
        ("nftables_priority 100\nnftables", (), True),
        ("nftables_priority x", (), True),
        # A chain of iptables, to which packets may come or not.
        ("vrrp_iptables", (), False),
        ("vrrp_iptables CHAIN\nnftables", (), True),
        ("vrrp_iptables", (BuildOption.IPTABLES,), True),
        ("", (BuildOption.NFTABLES,), False),
        ("", (BuildOption.NFTABLES, BuildOption.IPTABLES), False),
    ],
)
def test_where_keepalived_drops_decides_too(
    tmp_path: Path, definitions: str, lacks: tuple[BuildOption, ...], *, closed: bool
) -> None:
    text = f"global_defs {{\n{definitions}\n}}\nvrrp_instance A {{\nno_accept\n}}\n"
    (only,) = instances(text, tmp_path, *lacks)
    assert (only.closing is not None) is closed


def _dropped(family: str) -> set[str]:
    """The addresses in keepalived's own set."""
    with suppress(subprocess.CalledProcessError):
        text = run("nft", "-j", "list", "set", family, "keepalived", "vips")
        held = json.loads(text)["nftables"][-1]["set"].get("elem", [])
        return set(map(str, held))
    return set()


@pytest.mark.netns
@pytest.mark.parametrize("definitions", ["", "vrrp_strict", "vrrp_strict\nvrrp_version 3"])
def test_keepalived_drops_what_the_reader_says(
    netns: None, tmp_path: Path, definitions: str
) -> None:
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "peer")
    run("ip", "addr", "add", "10.9.9.1/16", "dev", "eth0")
    for name in ("eth0", "peer"):
        run("ip", "link", "set", name, "up")
    found = instances(configuration(definitions), tmp_path, BuildOption.IPTABLES)
    pids = [word for name in PID_OPTIONS for word in (f"--{name}", str(tmp_path / name))]
    with (tmp_path / "log").open("wb") as log:
        file = str(tmp_path / "keepalived.conf")
        command = ["keepalived", "--vrrp", *ALONE, *pids, "-f", file]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        addresses = len([vip for each in found for vip in each.vips if vip.version == 4])
        until(lambda: run("ip", "-4", "addr").count("10.9.") > addresses, "all are master")
        for family, version in (("ip", 4), ("ip6", 6)):
            closed = {str(v) for i in found if i.closing for v in i.vips if v.version == version}
            until(lambda f=family, c=closed: _dropped(f) == c, f"{_dropped(family)} is {closed}")  # type: ignore[misc] # mypy infers no type for a lambda with defaults
            assert _dropped(family) == closed
    finally:
        process.terminate()
        process.wait(20)
