"""What keepalived and the host themselves keep from IPVS, whatever the rules say."""

from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.judge.explanation import explain
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.host import ANY_TABLE, LOCAL_TABLE, HostView, LocalRoute, RouteLookup
from lvsmarkd.model.keepalived import Completeness, VipClosing, VrrpInstance
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.service import MAX_MARK, Family
from tests.harness.values import declare, flow, instance, key, reading, service
from tests.judge.test_outlook import OURS, seen

INET = Family.INET
AT = Origin("keepalived.conf", 2)
USUAL = (
    RouteLookup(INET, 0, LOCAL_TABLE),
    RouteLookup(INET, 32766, 254),
    RouteLookup(Family.INET6, 0, LOCAL_TABLE),
)


def host(
    *local: str, routes: tuple[LocalRoute, ...] = (), more: tuple[RouteLookup, ...] = ()
) -> HostView:
    nets = tuple(map(ip_network, ("127.0.0.0/8", *local)))
    return HostView(frozenset({"eth0"}), nets, routes, (*USUAL, *more))


HERE = host("192.0.2.10/32")


def wish(to: str = "192.0.2.10", *instances: VrrpInstance) -> Desired:
    declared = Declared(declare(80, flow(to, 80)))
    return desired(reading(service(80), instances=instances), declared, Options())


def found(wished: Desired, around: HostView, kind: Kind, text: str = OURS) -> list[Finding]:
    findings = judge(wished, seen(text, around)).findings
    return [each for each in findings if each.kind is kind]


def closed(keyword: str, *vips: str, takes_accept: bool = True) -> VrrpInstance:
    return replace(instance(*vips), closing=VipClosing(keyword, AT, takes_accept))


@pytest.mark.parametrize(
    ("keyword", "takes_accept", "write"),
    [
        ("vrrp_strict", True, "write `accept` into vrrp_instance"),
        ("no_accept", True, "in its place"),
        ("vrrp_strict", False, "`accept` and `version 3`"),
        ("no_accept", False, "`accept` and `version 3`"),
    ],
)
def test_an_address_that_keepalived_closes_is_no_service(
    keyword: str, write: str, *, takes_accept: bool
) -> None:
    wished = wish("192.0.2.10", closed(keyword, "192.0.2.10", takes_accept=takes_accept))
    [finding] = found(wished, HERE, Kind.UNACCEPTED)
    assert finding.severity is Severity.CRITICAL
    assert f"by {keyword} (keepalived.conf:2)" in finding.fact
    assert write in finding.advice
    assert finding.origins[0] == AT
    assert covered(wished, seen(OURS, HERE))[key(80)] is False


def test_other_addresses_and_services_are_not_touched_by_it() -> None:
    wished = wish("192.0.2.10", closed("no_accept", "192.0.2.99"), instance("192.0.2.10"))
    assert found(wished, HERE, Kind.UNACCEPTED) == []
    assert covered(wished, seen(OURS, HERE))[key(80)] is True
    # Whoever declares all that comes means no address of the two.
    assert found(wish("0.0.0.0/0", closed("no_accept", "192.0.2.99")), HERE, Kind.UNACCEPTED) == []


def test_what_rules_of_others_mark_is_closed_all_the_same() -> None:
    bare = desired(
        reading(service(80), instances=(closed("no_accept", "192.0.2.10"),)),
        Declared(),
        Options(),
    )
    text = "pre -d 192.0.2.10 -p tcp --dport 80 MARK 80"
    assert len(found(bare, HERE, Kind.UNACCEPTED, text)) == 1
    assert covered(bare, seen(text, HERE))[key(80)] is False


def test_a_mistyped_address_is_told_with_the_nearest_one() -> None:
    wished = wish("192.0.2.10", instance("192.0.2.100", "198.51.100.7"))
    [finding] = found(wished, host("192.0.2.1/32"), Kind.UNDELIVERED)
    assert finding.severity is Severity.CRITICAL
    assert "192.0.2.10 is neither a VIP" in finding.fact
    assert "the nearest VIP is 192.0.2.100" in finding.advice
    assert covered(wished, seen(OURS, host("192.0.2.1/32")))[key(80)] is False


@pytest.mark.parametrize(
    ("wished", "around"),
    [
        # A backup director has no VIP yet.
        (wish("192.0.2.10", instance("192.0.2.10")), host()),
        (wish("192.0.2.10", instance("192.0.2.99")), HERE),
        (wish("192.0.2.10", instance("192.0.2.99")), host("192.0.2.0/24")),
        # Of a prefix some are enough: the others are nobody's.
        (wish("192.0.2.0/24"), HERE),
        (wish("192.0.2.0/24", instance("192.0.2.10")), host()),
        (wish("0.0.0.0/0"), HERE),
        # Nothing is known of the host.
        (wish("192.0.2.10", instance("192.0.2.99")), HostView()),
        (wish("192.0.2.10", instance("192.0.2.99")), replace(host(), lookups=None)),
    ],
)
def test_what_may_be_delivered_is_no_finding(wished: Desired, around: HostView) -> None:
    assert found(wished, around, Kind.UNDELIVERED) == []


def test_without_instances_others_may_bring_the_address() -> None:
    assert found(wish(), host(), Kind.UNDELIVERED) == []
    assert covered(wish(), seen(OURS, host()))[key(80)] is True
    (explanation,) = explain(80, wish(), seen(OURS, host()))
    assert any("not delivered to this host now" in remark for remark in explanation.remarks)


def test_a_prefix_of_which_nothing_is_here() -> None:
    [finding] = found(wish("192.0.2.0/24"), host("198.51.100.1/32"), Kind.UNDELIVERED)
    assert finding.severity is Severity.CRITICAL
    assert "in any part" in finding.fact


def test_what_keepalived_makes_local_itself_is_delivered() -> None:
    read = replace(
        reading(service(80), instances=(instance("192.0.2.99"),)),
        local=(ip_network("192.0.2.10/32"),),
    )
    wished = desired(read, Declared(declare(80, flow("192.0.2.10", 80))), Options())
    assert found(wished, host(), Kind.UNDELIVERED) == []


def test_a_file_that_is_not_whole_does_not_tell_all_addresses() -> None:
    read = replace(
        reading(service(80), instances=(instance("192.0.2.99"),)),
        completeness=Completeness.SUSPECT,
    )
    wished = desired(read, Declared(declare(80, flow("192.0.2.10", 80))), Options())
    assert found(wished, host(), Kind.UNDELIVERED) == []


ALL = ip_network("0.0.0.0/0")


def rule(
    table: int, *, is_empty: bool = False, value: int = 80, mask: int = MAX_MARK
) -> RouteLookup:
    return RouteLookup(INET, 101, table, value, mask, is_empty=is_empty)


@pytest.mark.parametrize(
    ("lookup", "route", "lost"),
    [
        (rule(100), LocalRoute(100, ALL), False),
        (rule(100, value=16, mask=16), LocalRoute(100, ALL), False),
        (rule(ANY_TABLE), LocalRoute(100, ALL), False),
        # In a table that no rule looks up for them, or nowhere.
        (rule(101, is_empty=True), LocalRoute(10, ALL), True),
        (rule(101), LocalRoute(10, ALL), True),
        (rule(101, is_empty=True), None, True),
        # Packets with a mark may as well be routed on by it, and VIPs are local by themselves.
        (rule(101), None, False),
        # One about other marks does not tell what is meant.
        (rule(101, value=81, is_empty=True), LocalRoute(10, ALL), False),
    ],
)
def test_packets_that_a_route_by_mark_delivers(
    lookup: RouteLookup, route: LocalRoute | None, *, lost: bool
) -> None:
    routes = () if route is None else (route,)
    around = host("198.51.100.1/32", routes=routes, more=(lookup,))
    wished = wish("0.0.0.0/0")
    told = found(wished, around, Kind.UNDELIVERED)
    assert [each.severity for each in told] == [Severity.CRITICAL] * lost
    assert all("table 101" in each.fact for each in told)
    rules = "pre -p tcp --dport 80 MARK 80"
    assert covered(wished, seen(rules, around))[key(80)] is not lost


def test_an_address_that_only_a_route_by_mark_delivers() -> None:
    around = host(routes=(LocalRoute(100, ALL),), more=(rule(100),))
    assert found(wish("203.0.113.7", instance("192.0.2.10")), around, Kind.UNDELIVERED) == []
    gone = host(more=(rule(100, is_empty=True),))
    [finding] = found(wish("203.0.113.7"), gone, Kind.UNDELIVERED)
    assert "ip route add local 203.0.113.7/32 dev lo table 100" in finding.advice


def test_explain_tells_of_it() -> None:
    wished = wish("192.0.2.10", closed("no_accept", "192.0.2.10"))
    (explanation,) = explain(80, wished, seen(OURS, HERE))
    assert any("no_accept (keepalived.conf:2)" in remark for remark in explanation.remarks)


@pytest.mark.parametrize(
    ("server", "forwards", "told"),
    [
        ("198.51.100.1", False, True),
        ("198.51.100.1", True, False),
        ("198.51.100.1", None, False),
        # This host itself.
        ("192.0.2.10", False, False),
        ("127.0.0.2", False, False),
    ],
)
def test_answers_by_nat_need_forwarding(server: str, *, forwards: bool | None, told: bool) -> None:
    nat = replace(service(80), nat_servers=(ip_address(server),))
    wished = desired(reading(nat), Declared(declare(80, flow("192.0.2.10", 80))), Options())
    around = replace(HERE, forwards=forwards)
    findings = found(wished, around, Kind.UNDELIVERED)
    assert ["net.ipv4.ip_forward" in each.advice for each in findings] == [True] * told
    # IPVS gets the packets all the same.
    assert covered(wished, seen(OURS, around))[key(80)] is True


def _direct(*servers: str, nat: tuple[str, ...] = ()) -> Desired:
    """A service whose real servers answer clients themselves, but those by NAT."""
    one = replace(
        service(80),
        real_addresses=tuple(map(ip_address, (*servers, *nat))),
        nat_servers=tuple(map(ip_address, nat)),
    )
    return desired(reading(one), Declared(declare(80, flow("192.0.2.10", 80))), Options())


DIRECT = _direct("198.51.100.1")
INVALID = "in -m conntrack --ctstate INVALID -j DROP\n"
TRACKED = replace(HERE, tracks_balanced=True, picks_up=True)
STRICT = replace(HERE, tracks_balanced=False, picks_up=False)


@pytest.mark.parametrize(
    ("text", "around", "advice"),
    [
        (INVALID, TRACKED, "net.ipv4.vs.conntrack = 0"),
        (INVALID, STRICT, "nf_conntrack_tcp_loose = 1"),
        # A packet of an unknown connection is a new one.
        (INVALID, replace(HERE, tracks_balanced=False, picks_up=True), None),
        (INVALID, HERE, None),  # not known
        ("pre -m conntrack --ctstate INVALID -j DROP\n", TRACKED, "net.ipv4.vs.conntrack = 0"),
        ("in -m mark --mark 80 -j ACCEPT\n" + INVALID, TRACKED, None),
        ("in -p tcp --dport 80 -j ACCEPT\n" + INVALID, TRACKED, None),
        ("in -p tcp --syn --dport 80 -j ACCEPT\n" + INVALID, TRACKED, "net.ipv4.vs.conntrack = 0"),
        ("raw PREROUTING -p tcp -j CT --notrack\n" + INVALID, TRACKED, None),
        ("in -m time --timestart 10:00 -m conntrack --ctstate INVALID -j DROP\n", TRACKED, None),
        ("in -m conntrack ! --ctstate INVALID -j ACCEPT\n", TRACKED, None),
        ("in -m conntrack --ctstate INVALID -j LOG\n", TRACKED, None),
    ],
)
def test_connections_that_break_after_their_first_packet(
    text: str, around: HostView, advice: str | None
) -> None:
    lost = found(DIRECT, around, Kind.UNDELIVERED, OURS + text)
    assert [advice in each.advice for each in lost if advice] == [True] * (advice is not None)
    assert {each.severity for each in lost} <= {Severity.CRITICAL}
    assert covered(DIRECT, seen(OURS + text, around))[key(80)] is (advice is None)


@pytest.mark.parametrize(
    "wished", [_direct("192.0.2.10"), _direct("127.0.0.1"), _direct(nat=("198.51.100.1",))]
)
def test_conntrack_sees_both_ways_of_connections_that_are_answered_through_this_host(
    wished: Desired,
) -> None:
    around = replace(TRACKED, forwards=True)
    assert found(wished, around, Kind.UNDELIVERED, OURS + INVALID) == []


@pytest.mark.parametrize(
    ("rule", "tracks", "told"),
    [
        ("-m ipvs --vaddr 192.0.2.10/32 -j MASQUERADE", False, True),
        ("-m ipvs --ipvs -j SNAT --to-source 10.0.0.1", False, True),
        ("-m ipvs --ipvs -j MASQUERADE", True, False),
        ("-m ipvs --ipvs -j MASQUERADE", None, False),
        ("-m ipvs ! --ipvs -j MASQUERADE", False, False),
        ("-s 10.0.0.0/8 -j MASQUERADE", False, False),  # for what real servers begin
        ("-m ipvs --ipvs -j LOG", False, False),
    ],
)
def test_another_source_for_what_ipvs_sends_needs_its_packets_tracked(
    rule: str, *, tracks: bool | None, told: bool
) -> None:
    around = replace(HERE, forwards=True, tracks_balanced=tracks)
    wished = _direct(nat=("198.51.100.1",))
    findings = found(wished, around, Kind.UNDELIVERED, f"{OURS}nat POSTROUTING {rule}\n")
    assert ["net.ipv4.vs.conntrack = 1" in each.advice for each in findings] == [True] * told
    assert {each.severity for each in findings} <= {Severity.WARNING}
    assert found(DIRECT, around, Kind.UNDELIVERED, f"{OURS}nat POSTROUTING {rule}\n") == []


@pytest.mark.parametrize(
    ("by", "dead_ends", "told"),
    [("eth0", {"eth0"}, True), ("eth0", set(), False), (None, {"eth0"}, False)],
)
def test_an_interface_of_which_no_sender_would_be_answered(
    by: str | None, dead_ends: set[str], *, told: bool
) -> None:
    declared = declare(80, flow("192.0.2.10", 80, in_interface=by))
    wished = desired(reading(service(80)), Declared(declared), Options())
    around = replace(HERE, dead_ends=frozenset(dead_ends))
    text = "pre MARK 80\n"
    lost = found(wished, around, Kind.UNDELIVERED, text)
    assert ["net.ipv4.conf.eth0.rp_filter = 2" in each.advice for each in lost] == [True] * told
    assert covered(wished, seen(text, around))[key(80)] is not told


BALANCED = replace(HERE, forwards=True, tracks_balanced=False)
DROPS_INVALID = "filter FORWARD -m conntrack --ctstate INVALID -j DROP\n"


@pytest.mark.parametrize(
    ("text", "around", "told"),
    [
        (DROPS_INVALID, BALANCED, True),
        (DROPS_INVALID, replace(BALANCED, tracks_balanced=True), False),
        (DROPS_INVALID, replace(BALANCED, tracks_balanced=None), False),
        (INVALID, BALANCED, False),
        ("pre -m conntrack --ctstate INVALID -j DROP\n", BALANCED, True),
        ("filter FORWARD -s 198.51.100.0/24 -j ACCEPT\n" + DROPS_INVALID, BALANCED, False),
        ("filter FORWARD -p tcp --sport 80 -j ACCEPT\n" + DROPS_INVALID, BALANCED, False),
        ("filter FORWARD -p tcp --sport 81 -j ACCEPT\n" + DROPS_INVALID, BALANCED, True),
        ("filter FORWARD -p tcp --syn -j ACCEPT\n" + DROPS_INVALID, BALANCED, True),
        # By which interface they go, or come, is not known.
        ("filter FORWARD -o eth1 -j ACCEPT\n" + DROPS_INVALID, BALANCED, False),
        ("filter FORWARD -i eth0 -j ACCEPT\n" + DROPS_INVALID, BALANCED, False),
        ("raw PREROUTING -s 198.51.100.1 -j CT --notrack\n" + DROPS_INVALID, BALANCED, False),
    ],
)
def test_answers_by_nat_that_conntrack_takes_for_invalid(
    text: str, around: HostView, *, told: bool
) -> None:
    wished = _direct(nat=("198.51.100.1",))
    lost = found(wished, around, Kind.UNDELIVERED, OURS + text)
    assert ["net.ipv4.vs.conntrack = 1" in each.advice for each in lost] == [True] * told
    assert {each.severity for each in lost} <= {Severity.CRITICAL}
    # IPVS gets the clients' packets all the same.
    assert covered(wished, seen(OURS + text, around))[key(80)] is True
