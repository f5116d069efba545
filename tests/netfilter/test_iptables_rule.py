"""Rules in iptables' words: what is understood of each idiom, and that nothing else is lost."""

from ipaddress import ip_address, ip_network

import pytest

from lvsmarkd.backends.iptables.chains import own_rule
from lvsmarkd.model.fields import Field, Interval, NamePrefix
from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import (
    Condition,
    ConnmarkTest,
    Effect,
    FieldTest,
    FillSet,
    Jump,
    Lookup,
    MapMark,
    MarkTest,
    NeedsListener,
    NeedsSocket,
    Opaque,
    Other,
    RestoreMark,
    SaveMark,
    SetConnmark,
    SetsUnknownMark,
    SetTest,
    StateTest,
    TranslateDestination,
    UnknownTarget,
    Untrack,
    Verdict,
)
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.iptables_rule import read_rule, read_words

TO = "-d 10.0.0.1/32 "
WHOLE = 0xFFFFFFFF
HOST = Interval(ip_address("10.1.0.1"), ip_address("10.1.0.1"))
HOST6 = Interval(ip_address("2001:db8::1"), ip_address("2001:db8::1"))


@pytest.mark.parametrize(
    ("words", "packets"),
    [
        ("", "any"),
        ("-d 10.0.0.1/32", "10.0.0.1/32"),
        ("-d 10.0.0.0/24 -p tcp -m tcp --dport 443", "10.0.0.0/24 tcp 443"),
        ("-p tcp -m multiport --dports 443,80,8000:8010", "any tcp 80,443,8000-8010"),
        ("-p udp -m udp --dport 0:1023", "any udp 1-1023"),
        ("-p 6", "any tcp"),
        ("-p all -d 10.0.0.1", "10.0.0.1/32"),
        ("-p icmp", "any protocol 1"),
        ("-p esp", "any protocol 50"),
        ("-p vrrp", "any vrrp"),
        ("-i eth0 -p tcp -m tcp --dport 80", "any tcp 80 in-interface eth0"),
        (
            "-m mac ! --mac-source 02:00:00:00:00:0B -m mac ! --mac-source 02:00:00:00:00:0A",
            "any not-from-mac 02:00:00:00:00:0a,02:00:00:00:00:0b",
        ),
        ('-p tcp -m tcp --dport 80 -m comment --comment "it\\\'s -j web"', "any tcp 80"),
        ('-i e"0 -m comment --comment "a \\" b"', 'any in-interface e"0'),
    ],
)
def test_the_positive_part_is_told_by_the_algebra_of_packets(words: str, packets: str) -> None:
    spec = read_rule(f"{words} -j ACCEPT")
    assert (spec.packets.text(prefixes=True), spec.conditions) == (packets, ())
    assert spec.effects == (Verdict.ACCEPT,)


@pytest.mark.parametrize(
    ("words", "conditions"),
    [
        ("! -d 10.0.0.1/32", [FieldTest(Field.DESTINATION, (ip_network("10.0.0.1"),), True)]),
        ("-s 10.0.0.0/8", [FieldTest(Field.SOURCE, (ip_network("10.0.0.0/8"),))]),
        ("! -s 10.0.0.0/8", [FieldTest(Field.SOURCE, (ip_network("10.0.0.0/8"),), True)]),
        ("! -p tcp", [FieldTest(Field.PROTOCOL, (6,), True)]),
        ("-i eth+", [FieldTest(Field.IN_INTERFACE, (NamePrefix("eth"),))]),
        ("! -i lo", [FieldTest(Field.IN_INTERFACE, ("lo",), True)]),
        ("-o eth0", [FieldTest(Field.OUT_INTERFACE, ("eth0",))]),
        ("-m tcp ! --dport 22", [FieldTest(Field.DESTINATION_PORT, (Interval(22, 22),), True)]),
        (
            "-m multiport ! --dports 22,25",
            [FieldTest(Field.DESTINATION_PORT, (Interval(22, 22), Interval(25, 25)), True)],
        ),
        (
            "-m multiport --ports 20,21",
            [FieldTest(Field.EITHER_PORT, (Interval(20, 20), Interval(21, 21)))],
        ),
        ("-m tcp --sport 1024:", [FieldTest(Field.SOURCE_PORT, (Interval(1024, 65535),))]),
        ("-m tcp --dport 0", [FieldTest(Field.DESTINATION_PORT, (Interval(0, 0),))]),
        (
            "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
            [FieldTest(Field.TCP_FLAGS, (("FIN,SYN,RST,ACK", "SYN"),))],
        ),
        (
            "-m mac --mac-source 02:00:00:00:00:0A",
            [FieldTest(Field.SOURCE_MAC, ("02:00:00:00:00:0a",))],
        ),
        ("-m mark --mark 0x0", [MarkTest(0)]),
        ("-m mark ! --mark 0x10/0xff", [MarkTest(0x10, 0xFF, True)]),
        ("-m connmark --mark 0x0", [ConnmarkTest(0)]),
        ("-m connmark ! --mark 0x1/0x3", [ConnmarkTest(1, 3, True)]),
        ("-m mark --mark 0x1 -m connmark --mark 0x2", [MarkTest(1), ConnmarkTest(2)]),
        ("-m conntrack --ctstate NEW,RELATED", [StateTest(frozenset({"NEW", "RELATED"}))]),
        ("-m state ! --state INVALID", [StateTest(frozenset({"INVALID"}), True)]),
        (
            "-m iprange --dst-range 10.0.0.1-10.0.0.9",
            [FieldTest(Field.DESTINATION, (Interval(*map(ip_address, ("10.0.0.1", "10.0.0.9"))),))],
        ),
        ("-m addrtype --dst-type LOCAL", [FieldTest(Field.DESTINATION_TYPE, ("LOCAL",))]),
        (
            "-m set ! --match-set vips dst,dst",
            [SetTest(Lookup("vips", directions=("dst", "dst")), True)],
        ),
        (
            "-m set --match-set a src -m set --match-set b dst",
            [SetTest(Lookup("a", directions=("src",))), SetTest(Lookup("b", directions=("dst",)))],
        ),
        ("-m socket", [FieldTest(Field.SOCKET, ("FOUND",))]),
        ("-m socket --transparent", [FieldTest(Field.SOCKET, ("FOUND",))]),
        # What is not understood keeps its words, under the match that knows them.
        ("-m time --timestart 10:00", [Opaque("time", ("--timestart", "10:00"))]),
        ("-m limit --limit 5/min", [Opaque("limit", ("--limit", "5/min"))]),
        ("-m ipvs ! --vaddr 10.0.0.1", [Opaque("ipvs", ("!", "--vaddr", "10.0.0.1"))]),
        ("-m u32 --u32 6&0xFF=6", [Opaque("u32", ("--u32", "6&0xFF=6"))]),
        (
            "-m conntrack --ctstate NEW --ctdir ORIGINAL",
            [
                StateTest(frozenset({"NEW"})),
                FieldTest(Field.CT_DIRECTION, ("ORIGINAL",), or_absent=True),
            ],
        ),
        (
            "-m addrtype ! --dst-type LOCAL --limit-iface-in",
            [Opaque("addrtype", ("!", "--dst-type", "LOCAL", "--limit-iface-in"))],
        ),
        (
            "-m set --match-set a dst --return-nomatch",
            [Opaque("set", ("--match-set", "a", "dst", "--return-nomatch"))],
        ),
        ("-f", [FieldTest(Field.FRAGMENT, ("LATER",))]),
        ("-m rpfilter --invert", [FieldTest(Field.REVERSE_ROUTE, ("FOUND",), True)]),
        ("-m length ! --length 40:60", [FieldTest(Field.LENGTH, (Interval(40, 60),), True)]),
        ("-m pkttype --pkt-type unicast", [FieldTest(Field.PACKET_TYPE, ("HOST",))]),
        ("-m conntrack --ctstatus DNAT", [FieldTest(Field.CT_STATUS, ("DNAT",))]),
        ("-p nosuchprotocol", [Opaque("", ("-p", "nosuchprotocol"))]),
        ("-m tcp --dport nosuchport", [Opaque("protocol", ("--dport", "nosuchport"))]),
        ("-m mark --mark ten", [Opaque("mark", ("--mark", "ten"))]),
        (
            '-m string --string "-j" --algo bm',
            [Opaque("string", ("--string", "-j", "--algo", "bm"))],
        ),
    ],
)  # fmt: skip
def test_every_other_condition_is_kept_as_what_it_is(
    words: str, conditions: list[Condition]
) -> None:
    spec = read_rule(f"{TO}{words} -j ACCEPT")
    assert list(spec.conditions) == conditions
    assert spec.packets.text(prefixes=True) == "10.0.0.1/32"
    assert spec.effects == (Verdict.ACCEPT,)


@pytest.mark.parametrize(
    ("words", "effects"),
    [
        ("-j MARK --set-xmark 0x50/0xffffffff", [SetMark(80)]),
        ("-j MARK --set-xmark 0x50/0xff", [SetMark(0x50, 0xFF)]),
        ("-j MARK --set-xmark 0x0/0xffff00ff", [SetMark(0, 0xFFFF00FF)]),
        ("-j MARK --set-mark 80", [SetMark(80)]),
        ("-j MARK --set-mark 0x50/0xf", [SetMark(0x50, 0x5F)]),
        ("-j MARK --or-mark 0x50", [SetMark(0x50, 0x50)]),
        ("-j MARK --and-mark 0xff00", [SetMark(0, 0xFFFF00FF)]),
        ("-j MARK --xor-mark 0x50", [SetMark(0x50, 0)]),
        ("-j MARK --some-day 5", [SetsUnknownMark("MARK")]),
        ("-j CONNMARK --set-xmark 0x50/0xffffffff", [SetConnmark(80)]),
        ("-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff00", [SaveMark(0xFF, 0xFF00)]),
        ("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00", [RestoreMark(0xFF00, 0xFF)]),
        ("-j CONNMARK --restore-mark --mask 0xff", [RestoreMark(0xFF, 0xFF)]),
        ("-j CONNMARK --restore-mark", [RestoreMark()]),
        (
            "-j SET --map-set vips dst,dst --map-mark",
            [MapMark(Lookup("vips", directions=("dst", "dst")))],
        ),
        ("-j SET --add-set seen src", [FillSet("seen", is_ipset=True)]),
        ("-j SET --exist --del-set seen src", [FillSet("seen", is_ipset=True)]),
        (
            "-j SET --map-set s src --map-prio",
            [Other("SET", ("--map-set", "s", "src", "--map-prio"))],
        ),
        ("-j HMARK --hmark-mod 4", [SetsUnknownMark("HMARK")]),
        ("-j TPROXY --on-port 80", [NeedsSocket(80), Verdict.SOCKET]),
        ("-j REJECT --reject-with tcp-reset", [Verdict.DROP]),
        ("-j NFQUEUE --queue-num 1", [NeedsListener(Interval(1, 1)), Verdict.QUEUE]),
        ("-j SYNPROXY --mss 1460", [Verdict.STOLEN]),
        ("-j CT --notrack", [Untrack()]),
        ("-j NOTRACK", [Untrack()]),
        ("-j DNAT --to-destination 10.1.0.1", [TranslateDestination(HOST)]),
        (
            "-j DNAT --to-destination 10.1.0.1:8080-8081",
            [TranslateDestination(HOST, Interval(8080, 8081))],
        ),
        (
            "-j DNAT --to-destination [2001:db8::1]:8080",
            [TranslateDestination(HOST6, Interval(8080, 8080))],
        ),
        ("-j DNAT --to-destination 2001:db8::1", [TranslateDestination(HOST6)]),
        ("-j DNAT --to-destination :8080", [TranslateDestination(None, Interval(8080, 8080))]),
        ("-j DNAT --random", [TranslateDestination(is_untold=True)]),
        (
            "-j REDIRECT --to-ports 8080",
            [TranslateDestination(None, Interval(8080, 8080), here=True)],
        ),
        ("-j LOG --log-prefix x", [Other("LOG", ("--log-prefix", "x"))]),
        ("-j NEWTARGET --to 1", [UnknownTarget("NEWTARGET", ("--to", "1"))]),
        ("-j WEB", [Jump("WEB")]),
        ("-g WEB", [Jump("WEB", goto=True)]),
        ("-j RETURN", [Verdict.RETURN]),
        ("", []),
    ],
)
def test_what_a_rule_does(words: str, effects: list[Effect]) -> None:
    assert list(read_rule(f"{TO}{words}").effects) == effects


@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("--dst 10.0.0.1 --proto tcp --destination-port 80", "-d 10.0.0.1/32 -p tcp --dport 80"),
        ("-p tcp --syn", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"),
        ("-p tcp -m mac ! --mac-source 02:00:00:00:00:0a --dport 80",
         "-p tcp -m tcp --dport 80 -m mac ! --mac-source 02:00:00:00:00:0A"),
        ("-p tcp -m limit --limit 1/s --dport 80", "-p tcp -m tcp --dport 80 -m limit --limit 1/s"),
        ("-p tcp -m multiport --destination-ports 80,81", "-p tcp -m multiport --dports 81,80"),
        ("--source 10.0.0.7/8", "-s 10.0.0.0/8"),
    ],
)  # fmt: skip
def test_what_people_type_means_what_is_listed_of_it(typed: str, listed: str) -> None:
    assert read_words([*typed.split(), "--jump", "ACCEPT"]) == read_rule(f"{listed} -j ACCEPT")


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j ACCEPT", []),
        ("-d 10.0.0.1/32 -p udp -m multiport --dports 1,5:9 -j ACCEPT", []),
        ("! -d 10.0.0.1/32 -j ACCEPT", [FieldTest]),
        ("-s 10.0.0.0/8 -j ACCEPT", [FieldTest]),
        ("-i eth+ -j ACCEPT", [FieldTest]),
        ("-p tcp -m tcp ! --dport 22 -j ACCEPT", [FieldTest]),
        ("-p tcp -m multiport --ports 20,21 -j ACCEPT", [FieldTest]),
        ("-m set --match-set vips dst,dst -j ACCEPT", [SetTest]),
        ("-m iprange --dst-range 10.0.0.1-10.0.0.9 -j ACCEPT", [FieldTest]),
        ("-m mark --mark 0x0 -j ACCEPT", [MarkTest]),
        ("-m mark ! --mark 0x0/0xff -j ACCEPT", [MarkTest]),
        ("-m connmark --mark 0x0 -j ACCEPT", [ConnmarkTest]),
        ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", [StateTest]),
        ("-m socket --transparent -j ACCEPT", [FieldTest]),
        ("-m rpfilter -j ACCEPT", [FieldTest]),
        ('-i e"0 -m comment --comment "a \\" b" -j ACCEPT', []),
        ("-m conntrack --ctstate NEW -j ACCEPT", [StateTest]),
        ("-p tcp -m tcp --dport http -j ACCEPT", [Opaque]),
        ("-p esp -j ACCEPT", []),
    ],
)
def test_a_rule_is_understood_as_far_as_it_can_be(text: str, conditions: list[type]) -> None:
    spec = read_rule(text)
    assert spec.effects == (Verdict.ACCEPT,)
    assert [type(each) for each in spec.conditions] == conditions


def test_a_whole_mark_is_32_bits() -> None:
    assert SetMark(80).mask == MarkTest(0).mask == SetConnmark(0).mask == WHOLE


def test_a_port_that_no_service_has_is_a_condition_and_no_part_of_ours() -> None:
    ours = (
        '-d 192.0.2.10/32 -p tcp -m multiport --dports {} -m comment --comment "lvsmarkd fwmark 80"'
    )
    jump = " -j MARK --set-xmark 0x50/0xffffffff"
    assert own_rule(read_rule(ours.format("80,443") + jump), Family.INET, Hook.PREROUTING)
    assert own_rule(read_rule(ours.format("0,80") + jump), Family.INET, Hook.PREROUTING) is None
