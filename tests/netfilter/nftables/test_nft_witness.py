"""nft as the witness: what we write is listed so by it, what it writes is read so by us."""

import pytest

from lvsmarkd.kernel.nf_tables import NftFamily
from lvsmarkd.kernel.nf_tables_socket import NfTablesSocket
from lvsmarkd.model.ports import PortRange
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.nftables import matches
from lvsmarkd.netfilter.nftables.changes import NftChange, Operation, add, delete, flush
from lvsmarkd.netfilter.nftables.contents import look_up, read_contents, read_elements_of
from lvsmarkd.netfilter.nftables.datatypes import DataType
from lvsmarkd.netfilter.nftables.expressions import (
    FIB_DADDR,
    RETURN,
    Counts,
    CtKey,
    FibResult,
    LoadCt,
    LoadFib,
    NftVerdict,
    StoreCt,
    UnknownExpression,
    VerdictCode,
    jump,
)
from lvsmarkd.netfilter.nftables.objects import (
    ChainBase,
    ChainType,
    Elements,
    NftChain,
    NftRule,
    NftSet,
    NftTable,
    TableFlag,
    TableId,
    UnknownChain,
    UnknownSet,
)
from lvsmarkd.netfilter.nftables.transaction import write
from tests.fuzz.nftables.campaign import Campaign
from tests.harness.netns import run
from tests.harness.nft import EDITIONS, Nft
from tests.harness.nft_tables import HOSTS, OURS, PRE, PREFIXES, RANGES, addr

pytestmark = pytest.mark.usefixtures("netns")


@pytest.fixture(params=EDITIONS)
def nft(request: pytest.FixtureRequest) -> Nft:
    """Both nfts that Debian has, one after the other."""
    return Nft.of(str(request.param))


def test_generated_tables_are_the_same_to_both(netns: None) -> None:
    """`make fuzz-nftables` goes on for as long as asked."""
    campaign = Campaign("ci", tuple(map(Nft.of, EDITIONS)))
    campaign.run(range(16))
    assert campaign.counts["rules"] > 100
    assert campaign.counts["elements"] > 500


def test_a_guard_is_listed_in_nfts_own_words(nft: Nft) -> None:
    """All that a table needs which marks what has no mark."""
    vips = NftSet(OURS, "vips", (DataType.IPV4_ADDR,), interval=True)
    macs = NftSet(OURS, "macs", (DataType.ETHER_ADDR,))
    lan = NftSet(
        OURS,
        "lan",
        (DataType.IFNAME, DataType.IPV6_ADDR, DataType.INET_PROTO, DataType.INET_SERVICE),
        DataType.MARK,
    )
    flows = NftChain(OURS, "flows")
    output = NftChain(OURS, "out", ChainBase(Hook.OUTPUT, -139, ChainType.ROUTE))
    host = (matches.DADDR[Family.INET], matches.L4PROTO, matches.DPORT)
    ipv4, ipv6 = map(matches.of_family, (Family.INET, Family.INET6))
    with NfTablesSocket() as kernel:
        write(
            kernel,
            add(
                NftTable(OURS, comment="kept by lvsmarkd"),
                *(PRE, flows, output, vips, macs, HOSTS, RANGES, lan),
                Elements(vips, (vips.element(addr("192.0.2.0"), to=[addr("192.0.2.255")]),)),
                Elements(macs, (macs.element("52:54:00:12:34:56"),)),
                Elements(HOSTS, (HOSTS.element(addr("192.0.2.10"), 6, 80, data=0x50),)),
                Elements(
                    RANGES,
                    (
                        RANGES.element(
                            addr("192.0.2.12"),
                            17,
                            10000,
                            to=[addr("192.0.2.12"), 17, 20000],
                            data=25,
                        ),
                    ),
                ),
                Elements(lan, (lan.element("eth0", addr("2001:db8::10"), 6, 443, data=9),)),
                NftRule(OURS, "pre", (*matches.has_mark(0, not_it=True), RETURN)),
                NftRule(
                    OURS,
                    "pre",
                    (*ipv4, *matches.found_in(vips, host[:1]), jump("flows")),
                    "to a VIP",
                ),
                NftRule(OURS, "flows", (*matches.from_mac_in(macs), RETURN)),
                NftRule(OURS, "flows", (*ipv4, *matches.set_mark_by(HOSTS, host))),
                NftRule(OURS, "flows", (*ipv4, *matches.set_mark_by(RANGES, host))),
                NftRule(
                    OURS,
                    "flows",
                    (
                        *ipv6,
                        *matches.set_mark_by(
                            lan,
                            (
                                matches.IIFNAME,
                                matches.DADDR[Family.INET6],
                                matches.L4PROTO,
                                matches.DPORT,
                            ),
                        ),
                    ),
                ),
                NftRule(
                    OURS,
                    "out",
                    (
                        *matches.of_protocol(6),
                        *matches.to_ports(PortRange(80, 90)),
                        Counts(),
                        *matches.set_mark(80),
                    ),
                ),
            ),
        )
    text = [line.strip() for line in nft.run("list", "ruleset").splitlines()]
    for line in (
        'comment "kept by lvsmarkd"',
        "type filter hook prerouting priority -139; policy accept;",
        "type route hook output priority -139; policy accept;",
        "type ipv4_addr . inet_proto . inet_service : mark",
        "type ifname . ipv6_addr . inet_proto . inet_service : mark",
        "elements = { 192.0.2.0/24 }",
        "elements = { 52:54:00:12:34:56 }",
        "elements = { 192.0.2.10 . tcp . 80 counter packets 0 bytes 0 : 0x00000050 }",
        "elements = { 192.0.2.12 . udp . 10000-20000 : 0x00000019 }",
        'elements = { "eth0" . 2001:db8::10 . tcp . 443 : 0x00000009 }',
        "meta mark != 0x00000000 return",
        'ip daddr @vips jump flows comment "to a VIP"',
        "ether saddr @macs return",
        "meta mark set ip daddr . meta l4proto . th dport map @hosts",
        "meta mark set ip daddr . meta l4proto . th dport map @ranges",
        "meta mark set iifname . ip6 daddr . meta l4proto . th dport map @lan",
        "tcp dport 80-90 counter packets 0 bytes 0 meta mark set 0x00000050",
    ):
        assert line in text


def test_what_nft_writes_beyond_what_we_write_is_read_or_left_as_unknown(nft: Nft) -> None:
    nft.load(
        """
        table inet ours {
            flags dormant; comment "theirs"
            set recent { type ipv4_addr; flags dynamic, timeout; timeout 1m; }
            set strange { typeof tcp option maxseg size; }
            map where { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto away } }
            chain away { ct mark set mark ct state established,related accept; }
            chain nat { type nat hook postrouting priority 100; masquerade; }
            chain lo { type filter hook ingress device lo priority 0; }
            chain pre { type filter hook prerouting priority -300; policy drop
                tcp dport { 80, 443 } limit rate 3/second log prefix "x" accept
                fib daddr type local ct direction original meta mark set ct mark;
            }
        }"""
    )
    with NfTablesSocket() as kernel:
        found = read_contents(kernel, OURS)
    assert found.table == NftTable(OURS, TableFlag.DORMANT, "theirs")
    assert set(found.chains) == {
        NftChain(OURS, "away"),
        NftChain(OURS, "nat", ChainBase(Hook.POSTROUTING, 100, ChainType.NAT)),
        UnknownChain(OURS, "lo"),
        NftChain(OURS, "pre", ChainBase(Hook.PREROUTING, -300, drops=True)),
    }
    assert {UnknownSet(OURS, "recent"), UnknownSet(OURS, "strange")} < set(found.sets)
    (named,) = [each for each in found.sets if each.name == "where"]
    assert isinstance(named, NftSet)
    goes = named.element(addr("10.0.0.1"), data=NftVerdict(VerdictCode.GOTO, "away"))
    assert found.elements["where"] == (goes,)
    (ports,) = [each for each in found.sets if isinstance(each, NftSet) and each.anonymous]
    assert found.elements[ports.name] == (ports.element(80), ports.element(443))
    first, second = found.rules["pre"]
    unknown = [each for each in first.expressions if isinstance(each, UnknownExpression)]
    assert [each.name for each in unknown] == ["limit", "log"]
    assert LoadFib(FibResult.ADDRTYPE, FIB_DADDR) in second.expressions
    assert LoadCt(CtKey.MARK) in second.expressions
    (away, accepts) = (found.rules["away"][0], found.rules["away"][-1])
    assert away.expressions[1] == StoreCt(CtKey.MARK)
    assert accepts.expressions[-1]


def test_it_is_deleted_as_it_was_read() -> None:
    """Also what somebody else put there, and what is not known."""
    Nft.of("installed").load(
        """
        table inet ours {
            set recent { type ipv4_addr; flags timeout; }
            map where { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto away } }
            chain away { accept; }
            chain lo { type filter hook ingress device lo priority 0; tcp dport 80 accept; }
            chain pre { type filter hook prerouting priority 0; ip saddr @recent drop; accept; }
        }"""
    )
    with NfTablesSocket() as kernel:
        found = read_contents(kernel, OURS)
        (_, accepts) = found.rules["pre"]
        write(kernel, delete(accepts))
        assert len(read_contents(kernel, OURS).rules["pre"]) == 1
        chains = [each for each in found.chains if each.name != "away"]
        write(kernel, flush(*found.chains) + delete(*chains, *found.sets))
        left = read_contents(kernel, OURS)
        assert (left.chains, left.sets) == ((NftChain(OURS, "away"),), ())
        write(kernel, delete(OURS))
        assert read_contents(kernel, OURS).table is None


def test_a_rule_is_put_before_all_others_and_in_the_place_of_one() -> None:
    def ports(kernel: NfTablesSocket) -> list[str]:
        return [each.comment for each in read_contents(kernel, OURS).rules["pre"]]

    def rule(comment: str, handle: int = 0) -> NftRule:
        return NftRule(OURS, "pre", (RETURN,), comment, handle)

    with NfTablesSocket() as kernel:
        write(kernel, add(NftTable(OURS), PRE, rule("a"), rule("b"), rule("c")))
        write(kernel, (NftChange(Operation.INSERT, rule("first")),))
        assert ports(kernel) == ["first", "a", "b", "c"]
        second = read_contents(kernel, OURS).rules["pre"][2]
        write(kernel, (NftChange(Operation.REPLACE, rule("other", second.handle)),))
        assert ports(kernel) == ["first", "a", "other", "c"]


def test_an_element_is_found_by_any_of_its_keys() -> None:
    one = HOSTS.element(addr("10.0.0.1"), 6, 80, data=1)
    some = RANGES.element(addr("10.0.0.0"), 6, 80, to=[addr("10.0.0.255"), 6, 90], data=2)
    all_of_it = PREFIXES.element(addr("10.0.0.0"), to=[addr("10.0.0.255")], data=3)
    with NfTablesSocket() as kernel:
        write(
            kernel,
            add(
                NftTable(OURS),
                *(HOSTS, RANGES, PREFIXES),
                *(Elements(HOSTS, (one,)), Elements(RANGES, (some,))),
                Elements(PREFIXES, (all_of_it,)),
            ),
        )
        assert look_up(kernel, HOSTS, addr("10.0.0.1"), 6, 80) == one
        assert look_up(kernel, RANGES, addr("10.0.0.7"), 6, 85) == some
        assert look_up(kernel, PREFIXES, addr("10.0.0.7")) == all_of_it
        assert look_up(kernel, HOSTS, addr("10.0.0.1"), 6, 81) is None
        assert look_up(kernel, RANGES, addr("10.0.1.7"), 6, 85) is None
        assert look_up(kernel, PREFIXES, addr("10.0.1.7")) is None


def test_elements_count_the_packets_that_they_were_found_for() -> None:
    host = (matches.DADDR[Family.INET], matches.L4PROTO, matches.DPORT)
    element = HOSTS.element(addr("127.0.0.1"), 17, 9, data=1)
    with NfTablesSocket() as kernel:
        write(
            kernel,
            add(
                NftTable(OURS),
                *(PRE, HOSTS, Elements(HOSTS, (element,))),
                NftRule(
                    OURS,
                    "pre",
                    (*matches.of_family(Family.INET), *matches.set_mark_by(HOSTS, host)),
                ),
            ),
        )
        run("bash", "-c", "for i in 1 2 3; do echo -n 12 > /dev/udp/127.0.0.1/9; done", check=False)
        (found,) = read_elements_of(kernel, HOSTS)
        assert found.counts == Counts(3, 3 * 30)
        assert look_up(kernel, HOSTS, addr("127.0.0.1"), 17, 9) == found
        # A map that takes its place goes on counting from there.
        write(kernel, flush(HOSTS) + add(Elements(HOSTS, (found,))))
        (again,) = read_elements_of(kernel, HOSTS)
        assert again.counts == found.counts


def test_tables_of_other_families_are_others(nft: Nft) -> None:
    nft.load(
        "table ip ours { chain c { }; set s { type mark; elements = { 5 }; }; }\ntable arp ours"
    )
    with NfTablesSocket() as kernel:
        assert read_contents(kernel, OURS).table is None
        theirs = read_contents(kernel, TableId(NftFamily.IP, "ours"))
    (of,) = theirs.sets
    assert isinstance(of, NftSet)
    assert theirs.elements == {"s": (of.element(5),)}
    assert [each.name for each in theirs.chains] == ["c"]
