"""What people type means the same to us as what either variant of iptables lists of it."""

import pytest
from msgspec.structs import replace

from lvsmarkd.model.ruleset import Lister, Table
from lvsmarkd.netfilter.iptables_rule import read_words
from lvsmarkd.netfilter.iptables_save import read_saved
from lvsmarkd.netfilter.iptables_words import split
from tests.harness.netns import run

pytestmark = pytest.mark.netns

IDIOMS = (
    "-d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 80",
    "-d 192.0.2.1 -j MARK --set-mark 0x50/0xff",
    "-d 192.0.2.1 -j MARK --or-mark 0x50",
    "-d 192.0.2.1 -j MARK --and-mark 0xff00",
    "-d 192.0.2.1 -j MARK --xor-mark 0x50",
    "-d 192.0.2.1 -j MARK --set-mark 0",
    "-d 192.0.2.1 -j MARK --set-mark 4294967295",
    "-d 192.0.2.0/255.255.255.0 -p tcp --dport 443 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p 6 --dport 80 -j MARK --set-mark 80",
    "-p all -d 192.0.2.1 -j MARK --set-mark 1",
    "-d 192.0.2.1 -p icmp -j MARK --set-mark 80",
    "-d 192.0.2.1 -p esp -j ACCEPT",
    "-d 192.0.2.1 -p udp --dport 10000:20000 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp -m multiport --destination-ports 443,80 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14:20 -j ACCEPT",
    "-d 192.0.2.1 -p tcp -m multiport ! --dports 22,25 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp -m multiport --ports 20,21 -j MARK --set-mark 21",
    "-d 192.0.2.1 -p tcp ! --dport 22 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp --sport 1024:65535 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp --syn --dport 80 -j MARK --set-mark 80",
    "! -d 192.0.2.1 -j MARK --set-mark 80",
    "! -s 10.0.0.0/8 -d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 80",
    "-s 203.0.113.9 -j DROP",
    "-i eth0 -d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 80",
    "-i eth+ -d 192.0.2.1 -p udp --dport 53 -j MARK --set-mark 80",
    "! -i lo -d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 80",
    "-m mac ! --mac-source 02:00:00:00:00:0a -d 192.0.2.1 -j MARK --set-mark 80",
    "-m mac --mac-source 02:00:00:00:00:0a -d 192.0.2.1 -j MARK --set-mark 80",
    "-d 192.0.2.1 -p tcp -m mark --mark 0 --dport 80 -j MARK --set-mark 80",
    "-m mark ! --mark 0x0 -j RETURN",
    "-m connmark --mark 0x5/0xff -j CONNMARK --restore-mark",
    "-m connmark ! --mark 0 -j ACCEPT",
    "-j CONNMARK --restore-mark --mask 0xff",
    "-j CONNMARK --restore-mark",
    "-j CONNMARK --save-mark",
    "-d 192.0.2.1 -p tcp -m conntrack --ctstate NEW -j CONNMARK --set-mark 80",
    "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "-m conntrack ! --ctstate INVALID -j ACCEPT",
    "-m set --match-set vips dst,dst -j MARK --set-mark 80",
    "-m set ! --match-set vips dst,dst -j MARK --set-mark 80",
    "-j SET --map-set marks dst,dst --map-mark",
    "-d 192.0.2.1 -p tcp --dport 80 -j WEB",
    "-d 192.0.2.1 -p tcp -g WEB",
    "-m iprange --dst-range 192.0.2.1-192.0.2.9 -p tcp --dport 80 -j MARK --set-mark 80",
    "-m addrtype --dst-type LOCAL -p tcp --dport 80 -j MARK --set-mark 80",
    '-d 192.0.2.1 -m comment --comment "it\'s -j web" -j MARK --set-mark 80',
    "-d 192.0.2.1 -p tcp --dport 80 -m statistic --mode random --probability 0.5 -j ACCEPT",
    "-d 192.0.2.1 -p tcp --dport 80 -j LOG",
)


@pytest.mark.usefixtures("variant")
def test_a_listed_rule_says_what_was_typed() -> None:
    run("ipset", "create", "vips", "hash:ip,port", check=False)
    run("ipset", "create", "marks", "hash:ip,port", "skbinfo", check=False)
    iptables = ["iptables", "-w", "5", "-t", "mangle"]
    run(*iptables, "-N", "WEB")
    typed = []
    for idiom in IDIOMS:
        before = run("iptables-save", "-t", "mangle").count("-A PREROUTING")
        run(*iptables, "-A", "PREROUTING", *split(idiom), check=False)
        if run("iptables-save", "-t", "mangle").count("-A PREROUTING") > before:
            typed.append(idiom)
    assert len(typed) > len(IDIOMS) - 10
    table = read_saved(run("iptables-save", "-c", "-t", "mangle"), Lister.IPTABLES_NFT, "ip")
    assert isinstance(table["mangle"], Table)
    rules = table["mangle"].chains["PREROUTING"].rules
    assert len(rules) == len(typed)
    for rule, idiom in zip(rules, typed, strict=True):
        meant = read_words(split(idiom))
        if "statistic" in idiom or "LOG" in idiom:
            # Listed with what it was not told (the precise probability, no level).
            meant = replace(meant, conditions=rule.spec.conditions, effects=rule.spec.effects)
        assert rule.spec == meant, (idiom, rule.text)
