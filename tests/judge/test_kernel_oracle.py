"""The kernel as the oracle of the judge: real packets through real rules.

Wherever the judge is certain of a packet, the kernel must have done just that; where it is not,
what the kernel did must be among what may be. `make fuzz-judge` goes on for as long as asked.
"""

import shlex
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from lvsmarkd.model.service import Family
from tests.fuzz.judge.campaign import Campaign, flows_of
from tests.fuzz.judge.comparison import compare, compare_loaded
from tests.fuzz.judge.dice import MACS
from tests.fuzz.judge.director import Director
from tests.fuzz.judge.packets import TCP, UDP, Packet
from tests.harness.firewalld import firewalld
from tests.judge.idioms import Idiom, idioms

HERE = Path(__file__).parent
IDIOMS = idioms(HERE / "idioms.rules")
DISAGREED = idioms(HERE / "disagreed.rules")
FIREWALLD = {
    "as it is installed": (),
    "rich rules that mark, in two zones": (
        "--zone=public --add-interface=eth0",
        "--zone=public --add-service=https",
        "--zone=internal --add-interface=eth1",
        "--zone=public --add-rich-rule='rule family=ipv4 destination address=192.0.2.10"
        " port port=80 protocol=tcp mark set=80'",
        "--zone=public --add-rich-rule='rule family=ipv4 destination address=192.0.2.10"
        " port port=80 protocol=tcp accept'",
        "--zone=internal --add-rich-rule='rule family=ipv6 destination address=2001:db8:10::10"
        " port port=443 protocol=tcp mark set=0x90/0xff'",
        "--zone=public --add-rich-rule='rule priority=-5 family=ipv4"
        " source address=172.16.0.0/12 service name=https drop'",
    ),
    "sources, a forwarded port, a policy": (
        "--zone=trusted --add-source=10.0.0.0/8",
        "--zone=drop --add-source=172.16.5.5",
        "--zone=public --add-interface=eth0 --add-interface=eth1",
        "--zone=trusted --add-forward-port=port=80:proto=tcp:toport=8080",
        "--zone=trusted --add-forward-port=port=443:proto=tcp:toaddr=10.7.0.9",
        "--zone=public --add-port=20-25/tcp",
        "--zone=public --add-masquerade",
    ),
}
"""What is typed at firewall-cmd, one line each."""
_PORTS = {TCP: (20, 21, 22, 25, 53, 80, 443, 587, 10000, 15001, 20000), UDP: (53, 80, 443)}
_SENDERS = {
    Family.INET: (("eth0", "172.16.5.5", MACS[0]), ("eth1", "10.9.8.7", MACS[1])),
    Family.INET6: (("eth0", "2001:db8:5::5", MACS[0]),),
}
_VIPS = {
    Family.INET: ("192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14",
                  "198.18.7.0", "198.18.7.3"),
    Family.INET6: ("2001:db8:10::10", "2001:db8:18::0", "2001:db8:18::3"),
}  # fmt: skip
_SOURCE_PORTS = count(20001)
PACKETS = [
    Packet(family, vip, protocol, port, interface, source, next(_SOURCE_PORTS), mac)
    for family, senders in _SENDERS.items()
    for interface, source, mac in senders
    for vip in _VIPS[family]
    for protocol, ports in _PORTS.items()
    for port in ports
]


@pytest.fixture(scope="module")
def _director(_mounts: None) -> Iterator[Director]:
    found = Director()
    yield found
    found.close()


@pytest.fixture
def director(netns: None, _director: Director) -> Director:
    """A director with cables, whose rules each test replaces."""
    return _director


@pytest.mark.parametrize("idiom", [*IDIOMS, *DISAGREED], ids=lambda each: each.title)
def test_the_kernel_does_what_is_judged_of(director: Director, idiom: Idiom) -> None:
    found = compare(director, idiom.rules, PACKETS)
    assert [str(each) for each in found.disagreements] == []
    assert (found.counts["packets certain"] == len(PACKETS)) is idiom.is_certain, found.hidden_by


@pytest.mark.parametrize("zones", FIREWALLD.values(), ids=FIREWALLD)
def test_what_firewalld_makes_of_zones_is_judged_as_the_kernel_takes_it(
    director: Director, firewalld_backend: str, zones: tuple[str, ...]
) -> None:
    director.load(())
    with firewalld(firewalld_backend) as bed:
        for each in zones:
            bed.cmd(*shlex.split(each))
        found = compare_loaded(director, PACKETS, flows_of("firewalld", PACKETS, 30))
    assert [str(each) for each in found.disagreements] == []
    assert found.counts["packets certain"] == found.counts["packets"], found.hidden_by


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(10))
def test_rulesets_from_fixed_seeds_are_judged_as_the_kernel_takes_them(
    director: Director, part: int
) -> None:
    campaign = Campaign(director, "fixed")
    campaign.run(range(30 * part, 30 * part + 30))
    assert "\n".join(map(str, campaign.found)) == ""
    assert campaign.counts["rulesets"] >= 28
