"""Sets in ipset's words."""

from collections.abc import Callable

from lvsmarkd.model.service import Family
from tests.fuzz.judge.dice import V4, V6, Dice
from tests.fuzz.judge.director import PREFIXES


def sets(dice: Dice) -> tuple[list[str], tuple[str, ...]]:
    """The lines that make the sets of one family, and the sets as rules may name them."""
    lines: list[str] = []
    named: list[str] = []
    for number in range(dice.times(3)):
        name = f"{'six' if dice.family is Family.INET6 else 'set'}{number}"
        kind, directions, entry = dice.one(_KINDS)
        has_marks = kind.startswith("hash") and dice.likely(0.5)
        family = " family inet6" if dice.family is Family.INET6 and kind.startswith("hash") else ""
        lines.append(f"ipset create {name} {kind}{family}{' skbinfo' if has_marks else ''}")
        for each in dict.fromkeys(entry(dice) for _ in range(dice.times(5))):
            mark = ""
            if has_marks and dice.likely(0.8):
                masked = "/0xff" if dice.likely(0.2) else ""
                mark = f" skbmark {dice.mark():#x}{masked}"
            nomatch = " nomatch" if "net" in kind and not mark and dice.likely(0.15) else ""
            lines.append(f"ipset add {name} {each}{mark}{nomatch}")
        named.append(f"{name} {directions}{' marks' if has_marks else ''}")
    if len(named) == 2 and not any("bitmap" in line for line in lines) and dice.likely(0.5):
        both = f"{named[0].split()[0]}list"
        lines += [f"ipset create {both} list:set"]
        lines += [f"ipset add {both} {each.split()[0]}" for each in named]
        named.append(f"{both} {named[0].split()[1]}")
    return lines, tuple(named)


def _vip(dice: Dice) -> str:
    return dice.one(V4 if dice.family is Family.INET else V6)


def _network(dice: Dice) -> str:
    six = dice.family is Family.INET6
    wide = (PREFIXES[1], "2001:db8:10::/64") if six else (PREFIXES[0], "192.0.2.8/29")
    return dice.one((_vip(dice), *wide))


def _port(dice: Dice) -> str:
    return f"{dice.one(('tcp', 'tcp', 'udp'))}:{dice.port()}"


def _source(dice: Dice) -> str:
    if dice.family is Family.INET6:
        return dice.one(("2a00::/16", "fd00::/8", "2001:db8:5::5"))
    return dice.one(("10.0.0.0/8", "172.16.5.5", "203.0.114.0/24", "8.8.4.4"))


# What this kernel and those of distributions both have.
_KINDS: tuple[tuple[str, str, Callable[[Dice], str]], ...] = (
    ("hash:ip", "dst", _vip),
    ("hash:ip", "dst", lambda d: "192.0.2.10-192.0.2.12" if d.family is Family.INET else _vip(d)),
    ("hash:net", "dst", _network),
    ("hash:net", "src", _source),
    ("hash:ip,port", "dst,dst", lambda dice: f"{_vip(dice)},{_port(dice)}"),
    ("hash:net,port", "dst,dst", lambda dice: f"{_network(dice)},{_port(dice)}"),
    ("hash:net,iface", "dst,src", lambda d: f"{_network(d)},{d.one(('eth0', 'eth1'))}"),
    ("hash:ip,port,net", "dst,dst,src", lambda d: f"{_vip(d)},{_port(d)},{_source(d)}"),
    ("bitmap:port range 0-65535", "dst", lambda dice: str(dice.port())),
)
