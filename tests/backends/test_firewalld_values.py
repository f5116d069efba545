"""What is concluded from firewalld's lists and from nft's, without any firewalld."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lvsmarkd.backends.firewalld.client.calls import RunState
from lvsmarkd.backends.firewalld.names import POLICY, PRIORITY
from lvsmarkd.backends.firewalld.planes.direct import direct_rules
from lvsmarkd.backends.firewalld.planes.frame import FRAME, NEW, fault_of, has_policies
from lvsmarkd.backends.firewalld.planes.kernel_tables import Kernel, kernel_of
from lvsmarkd.backends.firewalld.planes.listing import Listing, Settings, rich_rules
from lvsmarkd.backends.firewalld.planes.notices import notices_of
from lvsmarkd.backends.firewalld.planes.own_rules import (
    OUR_POLICY,
    Change,
    Container,
    ContainerKind,
    chain_of,
    own_rules,
    zone,
)
from lvsmarkd.backends.firewalld.planes.reader import CHAIN_KEYS, PLANES, FirewalldState
from lvsmarkd.backends.firewalld.reload.boot import AGAIN, Boot
from lvsmarkd.backends.firewalld.reload.flushed import wiped
from lvsmarkd.backends.firewalld.reload.unsaved import differences
from lvsmarkd.backends.firewalld.rich.own_rule import own_rule, rich_text
from lvsmarkd.backends.firewalld.rich.rich_rule import read_rich_rule
from lvsmarkd.backends.firewalld.rich.words import RichRuleError
from lvsmarkd.backends.firewalld.writing.changes import change_of
from lvsmarkd.judge.desired import Desired, Options
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.marking_rules import marking_rules
from lvsmarkd.judge.notices import noticed
from lvsmarkd.model.finding import Kind, Severity
from lvsmarkd.model.plan import ReplaceChain
from lvsmarkd.model.rule import ChainKey, Hook, Plane, SetMark
from lvsmarkd.model.ruleset import Lister, Ruleset, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Snapshot
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.iptables_rule import read_rule, read_words
from lvsmarkd.netfilter.nft_json import table_of
from tests.harness.values import ONE_PORT, declare, flow, instance, packets, want

ONE = Options(limits=ONE_PORT)
THEIRS = (
    'rule family="ipv4" source address="203.0.113.9" drop',
    'rule priority="10965" family="ipv4" destination address="192.0.2.3" drop',
    'rule family="ipv6" service name="http" mark set=0x7',
    "rule of a later version",
)
ZONES = ("public", "internal", "dmz")
OURS = History(ours=lambda _spot: True)
WISHES = [
    want(policy=ONE),
    want(declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443), accept=True), policy=ONE),
    want(
        declare(80, flow("192.0.2.10", 80)),
        declare(81, flow("2001:db8::1", 80), accept=True),
        policy=ONE,
    ),
    want(
        declare(7, flow("192.0.2.10", 80)), instances=(instance("192.0.2.1", ah=True),), policy=ONE
    ),
]


def respelled(text: str) -> tuple[str, ...]:
    """The same rule as somebody may have typed it."""
    return (text, text.replace("set=80", "set=0x50"), text.replace('"tcp"', "tcp"))


POOL = sorted(
    {t for w in WISHES for rule in w.rules for t in respelled(rich_text(rule))} | set(THEIRS)
)


@st.composite
def listings(draw: st.DrawFn, plane: Plane) -> Listing:
    """A plane with some of our rules in some places, and others' everywhere."""
    some = st.lists(st.sampled_from(POOL), max_size=12, unique=True)
    frame = draw(
        st.sampled_from([FRAME, {**FRAME, "target": "DROP"}, {**FRAME, "ingress_zones": ["dmz"]}])
    )
    policies: dict[str, dict[str, object]] = {"other": {"rich_rules": draw(some), "priority": 5}}
    if draw(st.booleans()):
        policies[POLICY] = {**frame, "rich_rules": draw(some)}
    return Listing(
        plane,
        draw(st.sampled_from(ZONES)),
        {name: {"rules_str": draw(some)} for name in ZONES},
        policies,
        active={name: (f"e{n}",) for n, name in enumerate(ZONES) if draw(st.booleans())},
    )


def carried_out(listing: Listing, change: Change) -> Listing:
    """As firewalld would."""
    assert not (listing.plane is Plane.RUNTIME and change.frame)
    zones = {name: list(rich_rules(each)) for name, each in listing.zones.items()}
    policies = dict(listing.policies)
    if change.frame:
        policies[POLICY] = {**policies.get(POLICY, NEW), **FRAME}
    listed = list(rich_rules(policies.get(POLICY, {})))
    for container, rules in change.add.items():
        hook = listed if container == OUR_POLICY else zones[container.name]
        for rule in rules:
            assert rich_text(rule) not in hook, "ALREADY_ENABLED"
            hook.append(rich_text(rule))
    for container, texts in change.remove.items():
        hook = listed if container == OUR_POLICY else zones[container.name]
        for text in texts:
            hook.remove(text)
    if POLICY in policies:
        policies[POLICY] = {**policies[POLICY], "rich_rules": listed}
    if change.dissolve:
        assert not listed
        if listing.plane is Plane.PERMANENT:
            del policies[POLICY]
    return replace(
        listing,
        zones={name: {"rules_str": rules} for name, rules in zones.items()},
        policies=policies,
    )


def test_rules_are_said_to_stand_in_a_zone_only_where_they_do() -> None:
    def said(*rules: str) -> str:
        listing = Listing(Plane.RUNTIME, "public", {"public": {"rules_str": rules}, "dmz": {}})
        own = own_rules(listing, by_policy=True, zones=(), marks={})
        unseen = Unknown("not looked at")
        firewalld_state = FirewalldState(
            RunState.RUNNING, listing, unseen, {Plane.RUNTIME: own}, unseen
        )
        notices = notices_of(firewalld_state, not_at_boot="", reload_blocker="reload is never")
        found = noticed(Snapshot({}, notices=tuple(notices)))
        (fleeting,) = [f.message for f in found if f.kind is Kind.FLEETING]
        return fleeting

    ours = [rich_text(rule) for rule in WISHES[1].rules]
    assert said(*ours).startswith("the rules stand in firewalld's zone public until")
    for none in ((), THEIRS):
        assert said(*none).startswith("the rules would stand in firewalld's zone public until")


def others(listing: Listing) -> list[list[str]]:
    """What is not ours: all that is elsewhere than in our policy, and of no rule of ours."""
    own = {f'priority="{PRIORITY}"'}
    return [
        [line for line in rich_rules(each) if line in THEIRS or not any(o in line for o in own)]
        for name, each in (*listing.zones.items(), *listing.policies.items())
        if name != POLICY
    ]


def ours_in(settings: Settings) -> list[str]:
    """Our rules in a zone or policy, however they are spelled, as they would be written."""
    found = []
    for text in rich_rules(settings):
        try:
            rule = own_rule(read_rich_rule(text))
        except RichRuleError:
            continue
        if rule is not None:
            found.append(rich_text(rule))
    return sorted(found)


@settings(max_examples=600)
@given(
    st.sampled_from(PLANES).flatmap(listings),
    st.sampled_from(WISHES),
    st.booleans(),
    st.sampled_from([(), ("public",), ("dmz", "internal")]),
)
def test_one_change_brings_about_what_is_wanted_and_touches_nothing_else(
    listing: Listing, wish: Desired, by_policy: bool, zones: tuple[str, ...]
) -> None:
    before = others(listing)
    marks = {(r.family, r.match): r.mark for r in wish.rules if r.mark is not None}
    spots = [chain_key for chain_key in CHAIN_KEYS if chain_key.plane is listing.plane]
    for _ in range(2):
        # The second time for accepts whose service is known only once its marks are there.
        found = own_rules(listing, by_policy=by_policy, zones=zones, marks=dict(marks))
        plan = judge(
            wish,
            Snapshot({chain_key: chain_of(chain_key, found) for chain_key in spots}),
            history=OURS,
        )
        listing = carried_out(listing, change_of(plan.by_chain(), found))
        assert others(listing) == before
    found = own_rules(listing, by_policy=by_policy, zones=zones, marks=dict(marks))
    chains = {chain_key: chain_of(chain_key, found) for chain_key in spots}
    assert judge(wish, Snapshot(chains), history=OURS).steps == ()
    there = {rule for chain in chains.values() for rule in chain.rules}
    assert there == wish.rules
    assert all(not chain.incomplete for chain in chains.values())
    # Each rule once in each place where it belongs, and nowhere else.
    shown = sorted(map(rich_text, wish.rules))
    for name, each in listing.zones.items():
        assert ours_in(each) == (shown if zone(name) in found.targets else []), name
    if found.targets == (OUR_POLICY,) and wish.rules:
        assert fault_of(listing.policies[POLICY]) == ""
        assert ours_in(listing.policies[POLICY]) == shown
        assert len(rich_rules(listing.policies[POLICY])) == len(shown)


def test_what_holds_the_rules_is_named_and_what_is_wrong_with_it_too() -> None:
    listing = Listing(Plane.PERMANENT, "public", {"public": {}}, {})
    found = own_rules(listing, by_policy=True, zones=(), marks={})
    plan = judge(
        WISHES[1], Snapshot({chain_key: chain_of(chain_key, found) for chain_key in CHAIN_KEYS})
    )
    messages = [f.message for f in plan.findings]
    chain_key = ChainKey(Plane.PERMANENT, Family.INET, Hook.PREROUTING)
    policy = f"firewalld's policy lvsmarkd ({chain_key.place})"
    assert f"{policy} is not there; it is to be put right" in messages
    assert any("in the permanent configuration is not there" in message for message in messages)
    assert all(
        f.severity is not Severity.CRITICAL for f in plan.findings if f.plane is chain_key.plane
    )
    assert any(isinstance(step, ReplaceChain) and step.fresh for step in plan.steps)
    assert "jump" not in str(plan) + " ".join(messages)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"target": "DROP"}, "has the target DROP, not CONTINUE"),
        ({"priority": -1}, "has the priority -1, not 32767"),
        ({"ingress_zones": ["ANY", "dmz"]}, "has the ingress zones ANY, dmz, not ANY"),
        ({"egress_zones": []}, "has the egress zones none, not HOST"),
    ],
)
def test_the_policy_is_held_against_what_it_should_be(
    changes: dict[str, object], says: str
) -> None:
    assert fault_of({**NEW, **changes}) == says


@pytest.mark.parametrize(
    ("version", "has"),
    [("0.8.6", False), ("0.9.0", True), ("1.3.3", True), ("2.5.0", True), ("git", True)],
)
def test_policies_are_there_since_09(version: str, has: bool) -> None:
    assert has_policies(version) is has


def match(left: object, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


DADDR = {"payload": {"protocol": "ip", "field": "daddr"}}
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SET: dict[str, dict[str, object]] = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}}
FLOW = flow("192.0.2.10", 80)


def rule_in(chain: str, *statements: object, table: str = "firewalld") -> dict[str, object]:
    return {"rule": {"family": "inet", "table": table, "chain": chain, "expr": list(statements)}}


def chain_in(name: str, table: str = "firewalld", **more: object) -> dict[str, object]:
    return {"chain": {"family": "inet", "table": table, "name": name, **more}}


def native(objects: list[dict[str, object]], *tables: str) -> Ruleset:
    """A ruleset as it is read table by table."""
    keys = [TableKey(Lister.NFT, "inet", table) for table in tables]
    return Ruleset({key: table_of(key, objects) for key in keys})


def kernel(objects: list[dict[str, object]], *tables: str) -> Kernel:
    seen = kernel_of(native(objects, *(tables or ("firewalld",))))
    assert isinstance(seen, Kernel)
    return seen


POST = "mangle_PRE_policy_lvsmarkd_post"


def test_a_rule_that_no_packet_gets_to_is_not_met() -> None:
    rule = next(
        r for r in WISHES[1].rules if r.hook is Hook.PREROUTING and r.match.ports[0].first == 80
    )
    marking = rule_in(POST, match(DADDR, "192.0.2.10"), match(DPORT, 80), SET)
    jump = rule_in("mangle_PREROUTING", {"jump": {"target": POST}})
    chains = [chain_in("mangle_PREROUTING", hook="prerouting", prio=-140), chain_in(POST)]
    assert kernel([*chains, jump, marking]).meets(OUR_POLICY, rule)
    assert not kernel([*chains, marking]).meets(OUR_POLICY, rule)
    assert not kernel([*chains, jump]).meets(OUR_POLICY, rule)
    assert not kernel([*chains, jump, marking]).meets(zone("public"), rule)
    assert not kernel([], "other").whole
    assert not kernel([*chains], "firewalld").dropping
    assert kernel([*chains], "firewalld", "firewalld_policy_drop").dropping


def test_a_table_that_cannot_be_read_hides_itself_and_no_other() -> None:
    unread = Unknown("nft failed: -11")
    others = TableKey(Lister.NFT, "inet", "t")
    own = TableKey(Lister.NFT, "inet", "firewalld")
    seen = kernel_of(native([], "firewalld") | Ruleset({others: unread}))
    assert isinstance(seen, Kernel)
    assert seen.whole
    assert kernel_of(native([], "t") | Ruleset({own: unread})) == unread
    assert kernel_of(Ruleset(unread={Lister.NFT: unread})) == unread
    listing = Listing(Plane.RUNTIME, "public", {"public": {}})
    runtime = own_rules(listing, by_policy=True, zones=(), marks={})
    state = FirewalldState(RunState.RUNNING, listing, unread, {Plane.RUNTIME: runtime}, seen)
    notices = tuple(notices_of(state, not_at_boot="", reload_blocker=""))
    told = [f for f in noticed(Snapshot({}, notices=notices)) if f.kind is Kind.UNSEEN]
    assert [f.message for f in told] == [
        "what is in the nft table inet t could not be seen: nft failed: -11"
    ]


@pytest.mark.parametrize(
    "typed",
    [
        "-d 192.0.2.10 -p tcp --dport 80 -j MARK --set-mark 80",
        "--destination 192.0.2.10/32 --protocol tcp --destination-port 80 --jump MARK"
        " --set-mark 0x50",
        "-p tcp -m tcp --dport 80 --dst 192.0.2.10 -m comment --comment web -j MARK --set-mark 80",
    ],
)
def test_direct_rules_are_understood_as_typed(typed: str) -> None:
    expected = read_rule("-d 192.0.2.10/32 -p tcp --dport 80 -j MARK --set-xmark 80")
    assert replace(read_words(typed.split()), comment=None) == expected
    listing = Listing(
        Plane.PERMANENT,
        "public",
        direct=(
            ("ipv4", "mangle", "PREROUTING", 0, tuple(typed.split())),
            ("ipv4", "filter", "INPUT", 0, ("-j", "ACCEPT")),
            ("eb", "broute", "BROUTING", 0, ()),
        ),
        passthroughs=(
            (
                "ipv6",
                (*["-t", "mangle", "-I", "PREROUTING", "1", "-j", "MARK", "--set-mark", "7"],),
            ),
        ),
    )
    listed = direct_rules(listing)
    (first,) = marking_rules(listed, Family.INET)
    assert (first.effect, first.packets) == (SetMark(80), expected.packets)
    assert first.rule.where == "firewalld's direct rules"
    assert str(first.rule) == f"ipv4 mangle PREROUTING 0 {typed}"
    (second,) = marking_rules(listed, Family.INET6)
    assert (second.effect, second.packets) == (SetMark(7), packets())


def test_what_a_reload_would_take_from_others_is_told_and_ours_is_not() -> None:
    ours = rich_text(next(iter(WISHES[3].rules)))
    runtime = Listing(
        Plane.RUNTIME,
        "public",
        {"public": {"rules_str": [ours, THEIRS[0]], "forward": True}, "dmz": {"masquerade": False}},
        {"p": {"priority": 5}},
        (("ipv4", "filter", "INPUT", 0, ("-j", "DROP")),),
    )
    permanent = Listing(
        Plane.PERMANENT,
        "public",
        {"public": {"rules_str": [], "forward": True}, "dmz": {}},
        {"p": {"priority": 6}, POLICY: NEW},
    )
    assert list(differences(runtime, permanent)) == [
        "zone public: rich rules",
        "policy p: priority",
        "1 direct rule(s)",
    ]
    same = replace(permanent, plane=Plane.RUNTIME)
    assert list(differences(same, permanent)) == []


def test_what_is_permanent_and_not_loaded_yet_would_come_into_force() -> None:
    runtime = Listing(Plane.RUNTIME, "public", {"public": {}}, {})
    permanent = Listing(
        Plane.PERMANENT,
        "public",
        {"public": {}, "guests": {"target": "DROP"}},
        {POLICY: NEW},
        (("ipv4", "filter", "INPUT", 0, ("-j", "DROP")),),
    )
    assert list(differences(runtime, permanent)) == [
        "zone guests, which is not loaded yet",
        "1 direct rule(s) that are not loaded yet",
    ]


_HAND_MADE = (
    "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x7/0xffffffff\nCOMMIT\n"
)
_DOCKER = "*nat\n:DOCKER - [0:0]\n-A DOCKER -i docker0 -j RETURN\nCOMMIT\n"
_OWN = """*mangle
:LVSMARKD - [0:0]
-A PREROUTING -j LVSMARKD
-A LVSMARKD -j MARK --set-xmark 0x50/0xffffffff
COMMIT
"""
_OF_FIREWALLD = """*mangle
:PREROUTING_direct - [0:0]
:PRE_public - [0:0]
:PRE_public_allow - [0:0]
-A PREROUTING -j PREROUTING_direct
-A PRE_public -j PRE_public_allow
COMMIT
"""
_USUAL = """*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j LOG --log-prefix "STATE_INVALID_DROP: "
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -m pkttype --pkt-type unicast -j LOG --log-prefix "FINAL_REJECT: "
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p ipv6-icmp -m icmp6 --icmpv6-type 134 -j ACCEPT
-A PREROUTING -m rpfilter --validmark --invert -j DROP
COMMIT
"""


@pytest.mark.parametrize(
    ("version", "backend", "text", "told"),
    [
        ("1.3.3", "nftables", _HAND_MADE, True),
        ("1.3.3", "nftables", _DOCKER, True),
        ("1.3.3", "nftables", _OWN, False),
        ("1.3.3", "nftables", "", False),
        ("1.3.3", "iptables", _OF_FIREWALLD, False),
        ("1.3.3", "iptables", _USUAL, False),
        ("1.3.3", "nftables", _USUAL, True),
        ("1.3.3", "iptables", _DOCKER, True),
        ("2.0.1", "nftables", _DOCKER, False),
        ("2.0.1", "iptables", _DOCKER, True),
        ("2.0.1", "iptables", _OF_FIREWALLD, False),
        ("10.0", "nftables", _DOCKER, False),
        ("1.3.3", "iptables", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", True),
        ("1.3.3", "nftables", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", False),
        (
            "1.3.3",
            "nftables",
            "# Table `filter' contains incompatible base-chains, use 'nft'\n",
            True,
        ),
        ("1.3.3", "nftables", "# Table `nat' is incompatible, use 'nft' tool.\n", True),
        ("1.3.3", "nftables", "*filter\n:INPUT ACCEPT [0:0]\n", True),
        ("1.3.3", "iptables", "*filter\n-A IN_guests -j ACCEPT\nCOMMIT\n", True),
        ("1.3.3", "iptables", "*filter\n" + "-A OUTPUT -o lo -j ACCEPT\n" * 2, True),
        ("1.3.3", "nftables", None, True),
    ],
)
def test_what_others_have_in_iptables_and_a_reload_would_flush(
    version: str, backend: str, text: str | None, *, told: bool
) -> None:
    listing = Listing(Plane.RUNTIME, "public", {"public": {}}, {})
    saved = {"ipv4": text}
    assert bool(list(wiped(lambda: saved, version, backend, listing))) is told


def test_direct_rules_are_put_back_by_firewalld_and_make_it_flush() -> None:
    direct = (("ipv4", "mangle", "PREROUTING", 0, ("-j", "MARK", "--set-mark", "7")),)
    listing = Listing(Plane.RUNTIME, "public", {}, {}, direct)
    once, twice = {"ipv4": _HAND_MADE}, {"ipv4": _HAND_MADE * 2}
    for version in ("1.3.3", "2.3.0"):
        assert list(wiped(lambda: once, version, "nftables", listing)) == []
        (lost,) = wiped(lambda: twice, version, "nftables", listing)
        assert lost.startswith("1 rule(s) in iptables' mangle PREROUTING (ipv4)")


def test_whether_it_is_started_at_boot_is_asked_now_and_then() -> None:
    now, answers = [0.0], iter(["disabled", "enabled"])
    boot = Boot(lambda: next(answers), lambda: now[0])
    assert boot.trouble() == "disabled"
    now[0] = AGAIN - 1
    assert boot.trouble() == "disabled"
    now[0] = AGAIN
    assert boot.trouble() == ""


def test_a_policy_of_our_name_with_only_others_rules_is_somebody_elses() -> None:
    listing = Listing(
        Plane.PERMANENT, "public", {"public": {}}, {POLICY: {**FRAME, "rich_rules": [THEIRS[0]]}}
    )
    found = own_rules(listing, by_policy=True, zones=(), marks={})
    spots = [chain_key for chain_key in CHAIN_KEYS if chain_key.plane is Plane.PERMANENT]
    plan = judge(
        WISHES[1], Snapshot({chain_key: chain_of(chain_key, found) for chain_key in spots})
    )
    theirs = [f for f in plan.findings if f.kind is Kind.CONFLICT]
    assert "firewalld's policy lvsmarkd" in theirs[0].message
    assert "so lvsmarkd leaves it alone" in theirs[0].message
    assert Container(ContainerKind.POLICY, POLICY) == OUR_POLICY
