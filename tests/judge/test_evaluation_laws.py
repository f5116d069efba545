"""Laws of what becomes of packets, over generated rules."""

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import PacketClass
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.judge.evaluation.trail import End, Ending
from lvsmarkd.judge.outlooks import outlook
from lvsmarkd.model.host import HostView
from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey, TableSet
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.ipset_save import sets_of
from lvsmarkd.netfilter.iptables_save import read_saved
from tests.harness.values import declare, flow, key, want

PREFIX = ip_network("192.0.2.8/29")
HERE = HostView(frozenset({"eth0", "eth1"}), (PREFIX,))
SENDER = Sender(int(ip_network("10.9.8.7").network_address), 43210, "52:54:00:12:34:56")
BASES = ("raw PREROUTING", "mangle PREROUTING", "nat PREROUTING", "mangle INPUT", "filter INPUT")
CHAINS = ("mangle A", "mangle B", "filter A")
SETS = "create s hash:ip\nadd s 192.0.2.10\ncreate t hash:ip,port\nadd t 192.0.2.11,tcp:80\n"

destinations = st.sampled_from(
    ["", "-d 192.0.2.10 ", "-d 192.0.2.11 ", "-d 192.0.2.8/30 ", "! -d 192.0.2.10 ",
     "-m iprange --dst-range 192.0.2.9-192.0.2.12 ", "-d 0.0.0.0/0 "]
)  # fmt: skip
protocols = st.sampled_from(
    ["", "", "-p tcp ", "-p tcp -m tcp --dport 80 ", "-p tcp -m tcp --dport 20:443 ",
     "-p tcp -m multiport ! --dports 22,443 ", "-p udp -m udp --dport 80 ", "! -p tcp ",
     "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN "]
)  # fmt: skip
others = st.sampled_from(
    ["", "", "-i eth0 ", "! -i eth0 ", "-i eth+ ", "-s 10.0.0.0/8 ", "! -s 10.9.8.7 ",
     "-m mark --mark 0x0 ", "-m mark ! --mark 0x10/0x10 ", "-m connmark --mark 0x0 ",
     "-m conntrack --ctstate NEW ", "-m conntrack --ctstate RELATED,ESTABLISHED ",
     "-m time --timestart 10:00 ", "-m set --match-set s dst ", "-m set ! --match-set t dst,dst ",
     "-m mac --mac-source 52:54:00:12:34:56 ", "-m addrtype --dst-type LOCAL "]
)  # fmt: skip
targets = st.sampled_from(
    ["MARK --set-xmark 0x50/0xffffffff", "MARK --set-xmark 0x9/0xff", "MARK --set-xmark 0x10/0x10",
     "CONNMARK --save-mark", "CONNMARK --restore-mark", "ACCEPT", "RETURN", "DROP", "LOG",
     "CT --notrack", "HMARK --hmark-mod 4", "REDIRECT --to-ports 80", "REDIRECT",
     "DNAT --to-destination 192.0.2.12:80", "DNAT --to-destination 10.7.0.9"]
)  # fmt: skip
NEVER = (
    *("-d 203.0.113.200/32", "-p udp -m udp --dport 9", "-i bond0", "-s 172.16.0.0/12"),
    *("! -p tcp -m connmark --mark 0x0", "-m mac ! --mac-source 52:54:00:12:34:56"),
    *("-m iprange --dst-range 10.0.0.1-10.0.0.9", "-m addrtype ! --dst-type LOCAL"),
    *("-m pkttype --pkt-type broadcast", "-p tcp -m tcp --tcp-flags RST RST"),
)
"""What no packet of ours is like, wherever it is asked."""

Rules = tuple[tuple[str, str], ...]
"""Tables with chains, and what a rule says."""


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Some rules, in the chains that there are; jumps lead on, never back."""
    found = []
    for _ in range(draw(st.integers(0, 9))):
        chain = draw(st.sampled_from((*BASES, *CHAINS)))
        leads_to = [
            each.split()[1]
            for each in CHAINS[CHAINS.index(chain) + 1 if chain in CHAINS else 0 :]
            if each.split()[0] == chain.split()[0]
        ]
        said = draw(destinations) + draw(protocols) + draw(others)
        if bool(leads_to) and draw(st.booleans()):
            how = draw(st.sampled_from(("-j", "-g")))
            found.append((chain, f"{said}{how} {draw(st.sampled_from(leads_to))}"))
        else:
            found.append((chain, f"{said}-j {draw(targets)}"))
    return tuple(found)


def ruleset(found: Rules, ipsets: Mapping[str, TableSet] | Unknown | None = None) -> Ruleset:
    tables: dict[str, list[str]] = {}
    for base in (*BASES, *CHAINS):
        table, chain = base.split()
        policy = "ACCEPT" if base in BASES else "-"
        tables.setdefault(table, []).append(f":{chain} {policy} [0:0]")
    # By this one conntrack is at work, whatever the others ask for.
    tables["nat"] += [":POSTROUTING ACCEPT [0:0]", "-A POSTROUTING -j MASQUERADE"]
    for where, said in found:
        table, chain = where.split()
        tables[table].append(f"-A {chain} {said}")
    text = "".join(
        "\n".join((f"*{table}", *lines, "COMMIT", "")) for table, lines in tables.items()
    )
    source = Lister.IPTABLES_NFT
    read = read_saved(text, source, "ip")
    keyed = {TableKey(source, "ip", name): table for name, table in read.items()}
    return Ruleset(keyed, ipsets=sets_of(SETS) if ipsets is None else ipsets)


def flow_class(first: int = 8, last: int = 15, low: int = 1, high: int = 65535) -> PacketClass:
    """TCP to addresses of the prefix and ports, by both interfaces."""
    start = int(PREFIX.network_address) - 8
    return PacketClass(Family.INET, start + first, start + last, 6, low, high, HERE.entries(
        frozenset()
    ))  # fmt: skip


def ends(of: Ruleset, packets: PacketClass) -> list[End]:
    return Journey(Terrain(of, hook_path(of, Family.INET), HERE), SENDER).ends(packets)


Outcomes = frozenset[tuple[Ending, int | None]]


def outcomes(several: Iterable[End]) -> Outcomes:
    return frozenset(
        (end.ending, end.packets.mark if end.ending is Ending.ARRIVED else None) for end in several
    )


def by_packet(of: Ruleset, packets: PacketClass) -> dict[PacketClass, Outcomes]:
    """What may become of each of some packets, one on each side of every edge there is."""
    found = ends(of, packets)
    return {
        one: outcomes(end for end in found if end.sent.overlaps(one))
        for one in _packets()
        if one.overlaps(packets)
    }


def _packets() -> Iterable[PacketClass]:
    for host in (8, 9, 10, 11, 12, 13, 15):
        for port in (1, 22, 79, 80, 81, 443, 444):
            for name in ("eth0", "eth1"):
                yield flow_class(host, host, port, port).by(frozenset({name}))


flow_classes = st.sampled_from(
    [flow_class(), flow_class(10, 10), flow_class(10, 11, 80, 80), flow_class(8, 15, 20, 443)]
)


@given(rules(), flow_classes, st.sampled_from(NEVER), targets, st.data())
def test_a_rule_that_cannot_match_changes_nothing(
    before: Rules, packets: PacketClass, never: str, target: str, data: st.DataObject
) -> None:
    # Another rule may change what a packet's destination is: then it may be anything.
    assume(not any("REDIRECT" in said or "DNAT" in said for _, said in before))
    at = data.draw(st.integers(0, len(before)))
    where = data.draw(st.sampled_from(BASES))
    more = (*before[:at], (where, f"{never} -j {target}"), *before[at:])
    assert _told(ruleset(more), packets) == _told(ruleset(before), packets)


def _told(of: Ruleset, packets: PacketClass) -> Counter[object]:
    """How a class was cut, and what became of the parts."""
    return Counter(
        (end.ending, end.sent, end.packets.mark, len(end.trail.forks()))
        for end in ends(of, packets)
    )


@given(rules(), st.integers(8, 15), st.integers(2, 65535))
def test_the_fate_of_a_flow_is_that_of_its_parts(found: Rules, host: int, port: int) -> None:
    of, whole = ruleset(found), flow_class()
    told = by_packet(of, whole)
    parts = [flow_class(8, 15, 1, port - 1), flow_class(8, 15, port, 65535)]
    if host > 8:
        parts += [flow_class(8, host - 1), flow_class(host, 15)]
    parts += [whole.by(frozenset({name})) for name in ("eth0", "eth1")]
    for part in parts:
        for packet, fate in by_packet(of, part).items():
            assert told[packet] == fate, (packet, part)


@given(rules())
def test_a_flow_is_cut_into_all_of_its_packets(found: Rules) -> None:
    assert all(by_packet(ruleset(found), flow_class()).values())


@given(rules(), targets, targets, st.sampled_from(BASES), st.integers(0, 9))
def test_neighbouring_rules_of_disjoint_packets_may_change_places(
    found: Rules, one: str, other: str, where: str, at: int
) -> None:
    pair = (where, f"-d 192.0.2.10/32 -j {one}"), (where, f"-d 192.0.2.11/32 -j {other}")
    ahead, behind = found[:at], found[at:]
    if where == "nat PREROUTING":
        assume("DNAT" not in one + other and "REDIRECT" not in one + other)
    here = by_packet(ruleset((*ahead, *pair, *behind)), flow_class())
    there = by_packet(ruleset((*ahead, *reversed(pair), *behind)), flow_class())
    assert here == there


@given(rules())
def test_what_could_not_be_read_makes_nothing_certain(found: Rules) -> None:
    read, unread = ruleset(found), ruleset(found, Unknown("no answer"))
    known, unknown = by_packet(read, flow_class()), by_packet(unread, flow_class())
    for packet, fate in known.items():
        if len(unknown[packet]) == 1 and next(iter(unknown[packet]))[1] is not None:
            assert fate == unknown[packet], packet


@given(rules(), st.sampled_from(sorted({base.split()[0] for base in BASES})))
def test_a_table_that_could_not_be_read_leaves_nothing_covered(found: Rules, name: str) -> None:
    of = ruleset(found)
    hidden = TableKey(Lister.IPTABLES_NFT, "ip", name)
    without = replace(of, tables={**of.tables, hidden: Unknown("no answer")})
    wanted = want(declare(80, flow("192.0.2.10", 80)))
    assert outlook(wanted, without, HERE).covered(key(80)) is None
