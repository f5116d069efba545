"""What becomes of packets, from rules as iptables and nft list them."""

from ipaddress import ip_address, ip_network

import pytest
from msgspec.structs import replace

from lvsmarkd.judge.evaluation.fates import fates_of
from lvsmarkd.judge.evaluation.hook_path import hook_path
from lvsmarkd.judge.evaluation.journey import Journey
from lvsmarkd.judge.evaluation.packet_class import classes_of
from lvsmarkd.judge.evaluation.sender import Sender
from lvsmarkd.judge.evaluation.terrain import Terrain
from lvsmarkd.model.fate import Fate, PacketFate
from lvsmarkd.model.host import HostView, ListeningPort
from lvsmarkd.model.packets import Packets
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.ruleset import Lister, Ruleset, Table, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter.ipset_save import sets_of
from lvsmarkd.netfilter.nft_json import table_of
from tests.harness.rulesets import saved

VIP = ip_network("192.0.2.10/32")
WEB = Packets(destination=VIP, protocol=6, ports=(PortRange(80, 80),))
HERE = HostView(frozenset({"eth0", "eth1"}), (VIP, ip_network("10.0.0.1/32")))
CLIENT = Sender(int(ip_network("203.0.113.9/32").network_address))


def native(*objects: object, family: str = "inet", name: str = "t") -> Ruleset:
    key = TableKey(Lister.NFT, family, name)
    return Ruleset({key: table_of(key, objects, elements=True)})


def chain(name: str, hook: str, prio: int, policy: str = "accept", **more: object) -> object:
    where = {"family": "inet", "table": "t", "name": name, "type": "filter"}
    return {"chain": where | {"hook": hook, "prio": prio, "policy": policy} | more}


def rule(chain: str, *expr: object) -> object:
    return {"rule": {"family": "inet", "table": "t", "chain": chain, "expr": list(expr)}}


def fates(
    ruleset: Ruleset,
    flow: Packets = WEB,
    mark: int = 80,
    host: HostView = HERE,
    sender: Sender = CLIENT,
) -> list[PacketFate]:
    terrain = Terrain(ruleset, hook_path(ruleset, Family.INET), host)
    entries = host.entries(frozenset())
    return [
        fate
        for packets in classes_of(flow, Family.INET, entries)
        for fate in fates_of(Journey(terrain, sender).ends(packets), mark)
    ]


def told(text: str, **more: object) -> str:
    """The fate of VIP:80, where it is one."""
    (fate,) = fates(saved(text), **more)  # type: ignore[arg-type] # as it says
    return f"{fate.fate} {fate.mark}" if fate.fate is Fate.WRONG else str(fate.fate)


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("", "unmarked"),
        ("pre -d 192.0.2.10 -p tcp --dport 80 MARK 80", "right"),
        ("pre -d 192.0.2.10 -p udp --dport 80 MARK 80", "unmarked"),
        ("pre -d 192.0.2.11 MARK 80", "unmarked"),
        ("mangle OUTPUT MARK 80", "unmarked"),
        ("pre MARK 80\nfilter :INPUT DROP", "dropped"),
        ("pre MARK 80\nraw PREROUTING -j DROP", "dropped"),
        ("pre MARK 80\npre MARK 9", "wrong 9"),
        ("pre -j MARK --set-xmark 0x50/0xff", "right"),
        ("pre -j MARK --or-mark 0x40\npre -j MARK --or-mark 0x10", "right"),
        ("nat PREROUTING -j MARK --or-mark 0x4000\npre MARK 80\n"
         "nat POSTROUTING -j MASQUERADE", "wrong 16464"),
        # Without conntrack, which no rule has at work here, nothing meets nat.
        ("nat PREROUTING -j MARK --or-mark 0x4000\npre MARK 80", "unknown"),
        # An accept ends the way through its table, no more.
        ("pre -d 192.0.2.10 -j ACCEPT\npre MARK 80",
         "unmarked"),
        # A return in a base chain takes the policy.
        ("pre -j RETURN\npre MARK 80", "unmarked"),
        ("mangle :PREROUTING DROP\npre -j RETURN", "dropped"),
        # Chains.
        ("pre -j web\npre MARK 80\nmangle web -j RETURN",
         "right"),
        ("pre -g web\npre MARK 80\nmangle web -s 10.0.0.1 -j ACCEPT",
         "unmarked"),
        ("pre -d 192.0.2.11 -g web\npre MARK 80\nmangle web -j ACCEPT",
         "right"),
        # The connection's mark of a first packet is 0.
        ("pre MARK 80\npre -j CONNMARK --restore-mark",
         "unmarked"),
        ("pre -j CONNMARK --restore-mark\npre MARK 80",
         "right"),
        ("pre MARK 80\npre -j CONNMARK --save-mark\n"
         "pre MARK 9\npre -j CONNMARK --restore-mark", "right"),
        ("pre MARK 80\n"
         "pre -m connmark --mark 0x0 MARK 99", "wrong 99"),
        ("pre MARK 80\n"
         "pre -m mark --mark 0x0 MARK 99", "right"),
        ("raw PREROUTING -j CT --notrack\n"
         "pre -m conntrack --ctstate NEW MARK 80", "unmarked"),
        ("pre -m conntrack --ctstate NEW MARK 80", "right"),
        ("pre -m conntrack --ctstate RELATED,ESTABLISHED MARK 80",
         "unmarked"),
        # nat: elsewhere, or to this host.
        ("pre MARK 80\nnat PREROUTING -j DNAT --to-destination 10.9.9.9",
         "elsewhere"),
        ("pre MARK 80\nnat PREROUTING -j DNAT --to-destination 10.0.0.1",
         "right"),
        ("pre MARK 80\n"
         "nat PREROUTING -p tcp -j REDIRECT --to-ports 8080", "right"),
        ("pre -p tcp -j TPROXY --on-port 80", "unknown"),
        # What an ordinary client's packets are like.
        ("pre MARK 80\nraw PREROUTING -m rpfilter --invert -j DROP", "right"),
        ("pre MARK 80\npre -m socket MARK 1",
         "right"),
        ("pre MARK 80\n"
         "in -m addrtype --dst-type LOCAL -j REJECT", "dropped"),
        ("pre MARK 80\nin ! --dport 8443 -p tcp -j DROP", "dropped"),
        ("pre MARK 80\nin -m length --length 0:300 -j DROP",
         "dropped"),
        ("pre MARK 80\nin -m length --length 100:300 -j DROP",
         "unknown"),
        ("pre MARK 80\nin -i eth+ -j in1\nfilter in1 -j DROP",
         "dropped"),
        ("pre --syn -p tcp MARK 80", "right"),
        ("pre -m mac ! --mac-source 02:00:00:00:00:01 MARK 80", "right"),
        ("pre -s 10.0.0.0/8 MARK 80", "unmarked"),
        ("pre -m iprange --dst-range 192.0.2.1-192.0.2.20 MARK 80", "right"),
        ("pre -m multiport ! --dports 22,443 -p tcp MARK 80", "right"),
        ("pre -p tcp -m multiport --dports 80,80:90 MARK 80", "right"),
        # What the rules do not tell.
        ("pre -m time --timestart 10:00 MARK 80", "unknown"),
        ("pre MARK 80\npre -j HMARK --hmark-mod 4", "unknown"),
        ("pre MARK 80\npre -j NOSUCH --at all", "unknown"),
        ("pre MARK 80\npre -m time --timestart 1 -j LOG",
         "right"),
        ("pre MARK 80\nin -p tcp -j NFQUEUE --queue-num 1",
         "unknown"),
        # `recent --set` holds for each packet, and looks for nobody.
        ("pre -m recent --set --name a --mask 255.255.255.255 --rsource MARK 80", "right"),
        ("pre MARK 80\npre -m recent ! --set --name a -j DROP", "right"),
        # A rate limit is no loss of the service; chance that takes marks away is one.
        ("pre MARK 80\nfilter :INPUT DROP\n"
         "in -m limit --limit 5/sec -j ACCEPT", "right"),
    ],
)  # fmt: skip
def test_what_becomes_of_packets_by_rules_of_iptables(text: str, fate: str) -> None:
    assert told(text) == fate


def test_packets_are_told_apart_where_rules_tell_them_apart_and_nowhere_else() -> None:
    flow = Packets(destination=ip_network("192.0.2.8/30"), protocol=6)
    found = fates(
        saved(
            """pre -d 192.0.2.10 -p tcp --dport 80:90 MARK 80
            pre -d 192.0.2.10 -p tcp --dport 85 -i eth1 -j DROP"""
        ),
        flow,
    )
    assert sorted((str(each.packets), str(each.fate)) for each in found) == [
        ("192.0.2.10 tcp 1-79", "unmarked"),
        ("192.0.2.10 tcp 80-84", "right"),
        ("192.0.2.10 tcp 85 in-interface eth0", "right"),
        ("192.0.2.10 tcp 85 in-interface eth1", "dropped"),
        ("192.0.2.10 tcp 86-90", "right"),
        ("192.0.2.10 tcp 91-65535", "unmarked"),
        ("192.0.2.11 tcp", "unmarked"),
        ("192.0.2.8/31 tcp", "unmarked"),
    ]


def test_the_rules_that_bear_on_it_are_told_and_the_one_that_hides_the_answer() -> None:
    (fate,) = fates(
        saved(
            """pre -d 192.0.2.10/32 -j MARK --set-xmark 0x50/0xffffffff
            pre -m time --timestart 10:00 -j MARK --set-xmark 0x9/0xffffffff"""
        )
    )
    assert fate.fate is Fate.UNKNOWN
    assert fate.hidden_by is not None
    assert (fate.hidden_by.table, fate.hidden_by.line) == ("mangle", 2)
    assert [ref.line for ref in fate.rules][:1] == [1]


def test_chance_sends_some_packets_the_one_way_and_some_the_other() -> None:
    found = fates(
        saved(
            """pre MARK 80
            pre -m statistic --mode random --probability 0.5 MARK 9"""
        )
    )
    assert {each.fate for each in found} == {Fate.RIGHT, Fate.WRONG}


def test_who_sends_too_much_may_be_refused() -> None:
    (fate,) = fates(
        saved(
            """pre MARK 80
            in -m hashlimit --hashlimit-above 100/sec --hashlimit-name a -j DROP"""
        )
    )
    assert (fate.fate, fate.is_limited) == (Fate.RIGHT, True)


SETS = """create vips hash:ip,port family inet
add vips 192.0.2.10,tcp:80
create marks hash:net family inet skbinfo
add marks 192.0.2.0/24 skbmark 0x9
add marks 192.0.2.10 skbmark 0x50
create bad hash:net family inet
add bad 203.0.113.0/24
"""


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("pre -m set --match-set vips dst,dst MARK 80", "right"),
        ("pre -m set ! --match-set vips dst,dst MARK 80", "unmarked"),
        ("pre -m set --match-set none dst MARK 80", "unknown"),
        ("pre -j SET --map-set marks dst --map-mark", "right"),
        (
            "pre MARK 80\nraw PREROUTING -m set --match-set bad src -j DROP",
            "dropped",
        ),
    ],
)
def test_ipsets_are_looked_up(text: str, fate: str) -> None:
    (found,) = fates(saved(text) | Ruleset(ipsets=sets_of(SETS)))
    assert found.fate == fate


MARK80 = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}}


def test_native_chains_are_met_in_the_order_of_their_priorities() -> None:
    def at(pre: int, then: object) -> Fate:
        ruleset = native(chain("a", "prerouting", pre), rule("a", then))
        both = ruleset | saved("pre MARK 80")
        (found,) = fates(both)
        return found.fate

    zero = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 0}}
    assert at(-160, zero) is Fate.RIGHT
    assert at(-140, zero) is Fate.UNMARKED
    # At one priority the order is not known, and it matters.
    assert at(-150, zero) is Fate.UNKNOWN
    assert at(-150, MARK80) is Fate.RIGHT


def test_what_is_registered_behind_ipvs_sees_no_packet() -> None:
    for priority, fate in ((97, Fate.DROPPED), (100, Fate.RIGHT)):
        ruleset = native(
            chain("a", "prerouting", -10), rule("a", MARK80), chain("b", "input", priority, "drop")
        )
        (found,) = fates(ruleset)
        assert found.fate is fate, priority


def test_a_chain_at_a_device_is_met_by_what_comes_by_it() -> None:
    objects = [
        {"chain": {"family": "netdev", "table": "t", "name": "in", "type": "filter",
                   "hook": "ingress", "prio": -500, "policy": "drop", "dev": "eth1"}},
    ]  # fmt: skip
    ruleset = native(*objects, family="netdev") | saved("pre MARK 80")
    assert {str(f.packets): f.fate for f in fates(ruleset)} == {
        "192.0.2.10 tcp 80 in-interface eth0": Fate.RIGHT,
        "192.0.2.10 tcp 80 in-interface eth1": Fate.DROPPED,
    }


def test_maps_of_marks_and_of_verdicts() -> None:
    daddr = {"payload": {"protocol": "ip", "field": "daddr"}}
    dport = {"payload": {"protocol": "tcp", "field": "dport"}}
    marks = {"map": {"key": {"concat": [daddr, dport]}, "data": "@m"}}
    ruleset = native(
        chain("a", "prerouting", -10),
        {"map": {"family": "inet", "table": "t", "name": "m", "type": ["ipv4_addr", "inet_service"],
                 "map": "mark", "elem": [[{"concat": ["192.0.2.10", 80]}, 80]]}},
        rule("a", {"mangle": {"key": {"meta": {"key": "mark"}}, "value": marks}}),
        chain("b", "input", 0),
        rule("b", {"vmap": {"key": dport, "data": {"set": [[80, {"accept": None}]]}}}),
        rule("b", {"drop": None}),
    )  # fmt: skip
    assert [f.fate for f in fates(ruleset)] == [Fate.RIGHT]
    other = Packets(destination=VIP, protocol=6, ports=(PortRange(443, 443),))
    assert [f.fate for f in fates(ruleset, other)] == [Fate.DROPPED]


def test_a_table_that_could_not_be_read_is_told() -> None:
    key = TableKey(Lister.NFT, "inet", "odd")
    ruleset = saved("pre MARK 80") | Ruleset({key: Unknown("rc -11")})
    assert hook_path(ruleset, Family.INET).unread == ((key, "rc -11"),)
    shown = Table(TableKey(Lister.IPTABLES_NFT, "ip", "mangle"), hidden="contains incompatible")
    assert hook_path(Ruleset({shown.key: shown}), Family.INET).unread


def test_a_tree_of_chains_without_end_is_cut_and_not_known() -> None:
    lines = ["pre -j c0"]
    for number in range(18):
        lines += [f"mangle c{number} -j c{number + 1}"] * 2
    lines.append("mangle c18 MARK 80")
    (found,) = fates(saved("\n".join(lines)))
    assert found.fate in {Fate.UNKNOWN, Fate.RIGHT}
    assert found.fate is Fate.UNKNOWN
    assert found.reason


def test_destinations_that_are_no_network_are_told_whole() -> None:
    found = fates(
        saved("pre -d 192.0.2.9 MARK 80"),
        Packets(destination=ip_network("192.0.2.8/30"), protocol=6),
    )
    told_of = {str(each.packets): str(each.fate) for each in found}
    assert told_of == {
        "192.0.2.9 tcp": "right",
        "192.0.2.8 tcp": "unmarked",
        "192.0.2.10/31 tcp": "unmarked",
    }


def test_a_rule_that_does_two_things_is_one_step() -> None:
    (fate,) = fates(
        native(
            chain("pre", "prerouting", -150),
            rule(
                "pre",
                {
                    "mangle": {
                        "key": {"meta": {"key": "mark"}},
                        "value": {
                            "map": {
                                "key": {"payload": {"protocol": "tcp", "field": "dport"}},
                                "data": {"set": [[80, 80]]},
                            }
                        },
                    }
                },
            ),
        )
    )
    assert [(step.before, step.after) for step in fate.steps] == [(0, 80)]


@pytest.mark.parametrize("mark", [80, 7, 0])
def test_a_rate_is_told_whatever_mark_the_packets_come_with(mark: int) -> None:
    text = f"pre MARK {mark}\nin -m limit --limit 9/s -j ACCEPT\nfilter :INPUT DROP"
    (fate,) = fates(saved(text))
    assert (fate.fate is Fate.UNKNOWN, fate.is_limited) == (False, True)


@pytest.mark.parametrize(
    ("text", "known", "fate"),
    [
        # TPROXY drops what no socket waits for, and lets IPVS see the rest as it was sent.
        ("pre -j TPROXY --on-port 50080 --tproxy-mark 1",
         {"sockets": frozenset()}, "dropped"),
        ("pre -j TPROXY --on-port 50080 --tproxy-mark 1",
         {"sockets": frozenset({ListeningPort(6, 50080)})}, "unknown"),
        ("pre MARK 80\npre -j TPROXY --on-port 80", {"sockets": frozenset()}, "dropped"),
        # A queue at which nobody listens.
        ("pre MARK 80\nin -j NFQUEUE --queue-num 7", {"queues": frozenset()}, "dropped"),
        ("pre MARK 80\nin -j NFQUEUE --queue-num 7 --queue-bypass\nin -j DROP",
         {"queues": frozenset()}, "right"),
        ("pre MARK 80\nin -j NFQUEUE --queue-balance 0:3",
         {"queues": frozenset({2})}, "unknown"),
        ("pre MARK 80\nin -j NFQUEUE --queue-num 7",
         {"queues": frozenset({7})}, "unknown"),
        # REDIRECT goes to the first address of the interface; without one it drops.
        ("pre MARK 80\nnat PREROUTING -p tcp -j REDIRECT\nin -d 10.0.0.1 -j DROP",
         {"first_addresses": {("eth0", Family.INET): ip_address("10.0.0.1"),
                              ("eth1", Family.INET): ip_address("10.0.0.1")}}, "dropped"),
        ("pre MARK 80\nnat PREROUTING -p tcp -j REDIRECT\nin -d 192.0.2.10 -j DROP",
         {"first_addresses": {("eth0", Family.INET): ip_address("10.0.0.1"),
                              ("eth1", Family.INET): ip_address("10.0.0.1")}}, "right"),
        ("pre MARK 80\nnat PREROUTING -p tcp -j REDIRECT",
         {"first_addresses": {("eth0", Family.INET): None, ("eth1", Family.INET): None}},
         "dropped"),
        ("pre MARK 80\nnat PREROUTING -p tcp -j REDIRECT\nin -d 192.0.2.10 -j DROP",
         {}, "unknown"),
        # A port that a range has stays, and a network keeps the host.
        ("pre MARK 80\nnat PREROUTING -p tcp -j REDIRECT --to-ports 80-90\n"
         "in -p tcp --dport 81:90 -j DROP", {}, "right"),
        ("pre MARK 80\nnat PREROUTING -j NETMAP --to 10.0.0.0/28", {}, "elsewhere"),
        ("pre MARK 80\nnat PREROUTING -j NETMAP --to 10.0.0.8/29", {}, "elsewhere"),
        ("pre MARK 80\nnat PREROUTING -j NETMAP --to 192.0.2.8/29", {}, "right"),
    ],
)  # fmt: skip
def test_what_else_of_the_host_decides(text: str, known: dict[str, object], fate: str) -> None:
    assert told(text, host=replace(HERE, **known)) == fate


@pytest.mark.parametrize(
    ("hook", "prio", "fate"),
    [
        ("prerouting", -201, "unmarked"),
        ("prerouting", -200, "unknown"),  # conntrack's own: which came first no listing tells
        ("prerouting", -199, "right"),
        ("input", 97, "right"),
        ("input", 98, "right"),  # where IPVS looks for answers of real servers only
        ("input", 99, "unknown"),
        ("input", 100, "unmarked"),
    ],
)
def test_where_the_kernel_itself_stands_among_chains(hook: str, prio: int, fate: str) -> None:
    state = {"left": {"ct": {"key": "state"}}, "op": "==", "right": "new"}
    marks = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}}
    found = fates(native(chain("c", hook, prio), rule("c", {"match": state}, marks)))
    assert [str(each.fate) for each in found] == [fate]


SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
SEEN = {"set": {"family": "inet", "table": "t", "name": "seen", "type": "ipv4_addr"}}


def _put(*stmt: object) -> dict[str, object]:
    return {
        "set": {"op": "add", "elem": SADDR, "set": "@seen"} | ({"stmt": list(stmt)} if stmt else {})
    }


@pytest.mark.parametrize(
    ("filling", "fate"),
    [
        ((), "right"),
        ((_put(),), "unknown"),
        ((_put({"limit": {"rate": 9}}),), "unknown"),  # it is in the set in any case
        (({"limit": {"rate": 9, "per": "second", "inv": True}}, _put()), "right"),
    ],
)
def test_what_is_in_a_set_that_packets_fill_is_known_of_who_keeps_within_a_rate(
    filling: tuple[object, ...], fate: str
) -> None:
    """Of a block list for those who send too much an ordinary client is not."""
    found = fates(
        native(
            SEEN,
            chain("pre", "prerouting", -150),
            rule("pre", {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}}),
            rule("pre", *filling),
            chain("in", "input", 0),
            rule("in", {"match": {"left": SADDR, "op": "==", "right": "@seen"}}, {"drop": None}),
        )
    )
    assert [str(each.fate) for each in found] == [fate]


def test_an_ipset_that_packets_fill_and_a_list_that_has_it() -> None:
    ipsets = sets_of("create seen hash:ip\ncreate both list:set\nadd both seen")
    for named in ("seen", "both"):
        rules = saved(f"pre MARK 80\nin -m set --match-set {named} src -j DROP")
        assert [e.fate for e in fates(replace(rules, ipsets=ipsets))] == [Fate.RIGHT]
        rules = saved(
            f"pre MARK 80\npre -j SET --add-set seen src\nin -m set --match-set {named} src -j DROP"
        )
        assert [e.fate for e in fates(replace(rules, ipsets=ipsets))] == [Fate.UNKNOWN]


def test_a_limit_on_what_is_put_into_a_set_bears_on_who_sends_too_much() -> None:
    found = fates(
        native(
            SEEN,
            chain("pre", "prerouting", -150),
            rule("pre", {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 80}}),
            rule("pre", _put({"limit": {"rate": 9, "per": "second", "inv": True}}), {"drop": None}),
        )
    )
    assert [(str(e.fate), e.is_limited) for e in found] == [("right", True)]
