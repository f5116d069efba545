"""The table of maps in the real kernel: it becomes what is wanted from whatever is there, and real
packets get the marks.
"""

from collections.abc import Iterator
from random import Random

import pytest

from lvsmarkd.backends.nftables.mark_table import mark_table
from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.protocols import Transport
from lvsmarkd.model.rule import Hook, Rule, SetMark
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.netfilter.nftables.contents import read_contents
from lvsmarkd.netfilter.nftables.difference import difference
from lvsmarkd.netfilter.nftables.objects import NftTable, TableContents, TableFlag, TableId
from lvsmarkd.netfilter.nftables.transaction import rewrite
from tests.fuzz.judge.director import PREFIXES, VIPS, Director
from tests.fuzz.judge.packets import TCP, UDP, Packet
from tests.harness.netns import run
from tests.harness.nft import EDITIONS, Nft
from tests.harness.nft_tables import by_service, needs
from tests.harness.values import flow

ID = TableId(NftFamily.INET, "lvsmarkd_guard")
TABLE = NftTable(ID)
_PORTS = (80, 443, 8080, 10_000, 15_000, 20_000)
_RANGES: tuple[tuple[int, ...], ...] = (
    (),
    (80,),
    (443,),
    (8000, 8063),
    (10_000, 20_000),
    (10_000, 15_000),
)
_MACS = ("02:00:00:00:0c:00", "52:54:00:12:34:56")


def rule(mark: int, packets: Packets) -> Rule:
    assert packets.family is not None
    return Rule(packets.family, Hook.PREROUTING, packets, SetMark(mark), mark)


def seeded(number: int) -> Random:
    return Random(number)  # noqa: S311 - it is to be the same every time


def some_rules(chance: Random, count: int) -> list[Rule]:
    """Rules of one mark for each destination: none contradicts another."""
    found = []
    for _ in range(count):
        to = chance.choice([*VIPS, *PREFIXES, "198.18.7.4"])
        ports = chance.choice(_RANGES)
        transports = [Transport.TCP, Transport.UDP] if ports else [Transport.TCP, None]
        packets = flow(
            to,
            *ports,
            transport=chance.choice(transports),
            in_interface=chance.choice([None, None, "eth0"]),
            not_from_mac=chance.choice([(), (), _MACS[1:]]),
        )
        found.append(rule(1 + VIPS.index(to) if to in VIPS else 51, packets))
    return found


def become(kernel: NfTablesSocket, wanted: TableContents) -> TableContents:
    """Have the kernel hold it; gives what it holds."""
    rewrite(kernel, kernel, ID, lambda found: difference(wanted, found, kernel.port))
    return read_contents(kernel, ID)


def is_as(found: TableContents, wanted: TableContents) -> bool:
    return (
        set(found.chains) == set(wanted.chains)
        and set(found.sets) == set(wanted.sets)
        and found.rules == wanted.rules
        and found.elements == wanted.elements
    )


@pytest.fixture
def kernel(netns: None) -> Iterator[NfTablesSocket]:
    with NfTablesSocket() as found:
        yield found


@pytest.mark.parametrize("seed", range(4))
def test_any_table_becomes_any_other_and_then_there_is_nothing_to_do(
    seed: int, kernel: NfTablesSocket
) -> None:
    chance = seeded(seed)
    for _ in range(10):
        rules = some_rules(chance, chance.choice([0, 1, 3, 10, 40]))
        wanted = mark_table(TABLE, rules, only_unmarked=chance.random() < 0.5)
        found = become(kernel, wanted)
        assert is_as(found, wanted)
        assert difference(wanted, found, kernel.port) == ()


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(
    "meddling",
    [
        "flush ruleset",
        "flush table inet lvsmarkd_guard",
        "flush chain inet lvsmarkd_guard flows4",
        "flush map inet lvsmarkd_guard hosts4",
        "delete element inet lvsmarkd_guard hosts4 { 192.0.2.10 . tcp . 80 }",
        "add element inet lvsmarkd_guard hosts4 { 192.0.2.99 . tcp . 80 : 9 }",
        "delete element inet lvsmarkd_guard ranges4 { 192.0.2.11 . udp . 10000-20000 }",
        "delete element inet lvsmarkd_guard networks4 { 198.18.7.0/28 }",
        "add element inet lvsmarkd_guard networks4 { 198.18.7.16/28 : 9, 10.0.0.0/9 : 7 }",
        "insert rule inet lvsmarkd_guard prerouting tcp dport { 80, 443 } accept",
        "add table inet lvsmarkd_guard { flags dormant; }",
        "add chain inet lvsmarkd_guard prerouting { policy drop; }",
        "add chain inet lvsmarkd_guard x; add rule inet lvsmarkd_guard prerouting jump x",
        "add set inet lvsmarkd_guard y { type ipv4_addr; flags timeout; };"
        " add rule inet lvsmarkd_guard flows4 ip saddr @y drop",
        "delete table inet lvsmarkd_guard; add table inet lvsmarkd_guard;"
        " add map inet lvsmarkd_guard hosts4 { type ipv4_addr : mark; }",
    ],
)
def test_what_somebody_does_to_it_is_undone(
    meddling: str, edition: str, kernel: NfTablesSocket
) -> None:
    rules = [
        rule(1, flow("192.0.2.10", 80)),
        rule(2, flow("192.0.2.11", 10_000, 20_000, transport=Transport.UDP)),
        rule(3, flow("198.18.7.0/28", transport=None)),
    ]
    wanted = mark_table(TABLE, rules, only_unmarked=True)
    become(kernel, wanted)
    Nft.of(edition).load(meddling.replace("; add", "\nadd"))
    assert not is_as(read_contents(kernel, ID), wanted) or "dormant" in meddling
    found = become(kernel, wanted)
    assert is_as(found, wanted)
    assert found.table == TABLE


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_is_listed_of_it_can_be_loaded(edition: str, kernel: NfTablesSocket) -> None:
    """Names are none of nft's own words."""
    nft = Nft.of(edition)
    wanted = mark_table(TABLE, some_rules(seeded(7), 40), only_unmarked=True)
    become(kernel, wanted)
    text = nft.run("list", "table", "inet", ID.name)
    nft.load("flush ruleset\n" + text)
    found = read_contents(kernel, ID)
    assert set(found.sets) == set(wanted.sets)
    assert found.elements == wanted.elements


def test_it_is_taken_over_from_one_who_is_gone(kernel: NfTablesSocket) -> None:
    flags = TableFlag.OWNER | TableFlag.PERSIST
    needs(flags)
    table = NftTable(ID, flags)
    before = mark_table(table, some_rules(seeded(1), 20), only_unmarked=True)
    with NfTablesSocket() as gone:
        become(gone, before)
    after = mark_table(table, some_rules(seeded(2), 20), only_unmarked=True)
    found = become(kernel, after)
    assert is_as(found, after)
    assert found.table is not None
    assert found.table.owner == kernel.port
    run("nft", "flush", "ruleset")
    assert is_as(read_contents(kernel, ID), after)


@pytest.fixture
def director(netns: None) -> Iterator[Director]:
    found = Director()
    try:
        found.load(())
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("seed", range(4))
def test_real_packets_get_their_marks_and_are_counted(seed: int, director: Director) -> None:
    chance = seeded(seed)
    with NfTablesSocket() as kernel:
        rules = some_rules(chance, 25)
        become(kernel, mark_table(TABLE, rules, only_unmarked=True))
        sent = [_packet(chance, 20_000 + number) for number in range(200)]
        seen = director.send(sent)
        expected = [_mark(rules, each) for each in sent]
        assert [each.late for each in seen] == expected
        assert len({*expected}) > 3
        by_mark: dict[ServiceKey, int] = {}
        for packet, mark in zip(sent, expected, strict=True):
            if mark:
                service = ServiceKey(packet.family, mark)
                by_mark[service] = by_mark.get(service, 0) + 1
        assert by_service(read_contents(kernel, ID)) == by_mark
        # What comes and goes beside them leaves the counts of the others as they are.
        more = [*rules, rule(99, flow("192.0.2.77", 1, 9))]
        become(kernel, mark_table(TABLE, more, only_unmarked=True))
        assert by_service(read_contents(kernel, ID)) == by_mark


def _packet(chance: Random, source_port: int) -> Packet:
    to = chance.choice([*VIPS, "198.18.7.3", "198.18.7.4", "2001:db8:18::5"])
    family = Family.INET6 if ":" in to else Family.INET
    return Packet(
        family,
        to,
        chance.choice([TCP, UDP]),
        chance.choice(_PORTS),
        chance.choice(["eth0", "eth1"]),
        "198.51.100.2" if family is Family.INET else "2001:db8:77::2",
        source_port,
        chance.choice(_MACS),
    )


def _mark(rules: list[Rule], packet: Packet) -> int:
    """The mark of the rules that mean a packet, of which there is one at most."""
    found = {
        each.mark
        for each in rules
        if each.mark and each.match.covers(_as_packets(packet)) and _lets(each, packet)
    }
    assert len(found) <= 1
    return next(iter(found), 0)


def _as_packets(packet: Packet) -> Packets:
    return flow(
        packet.destination,
        packet.port,
        transport=Transport(packet.protocol),
        in_interface=packet.interface,
        not_from_mac=[mac for mac in _MACS if mac != packet.mac],
    )


def _lets(each: Rule, packet: Packet) -> bool:
    return not any(packet.mac in value.values for value in each.match.qualifiers)
