"""A whole ruleset from a seed: what one host might have of all kinds of firewalls."""

from lvsmarkd.model.service import Family
from tests.fuzz.judge.dice import Dice
from tests.fuzz.judge.ipset_rules import sets
from tests.fuzz.judge.iptables_rules import rules
from tests.fuzz.judge.native_rules import table
from tests.fuzz.judge.script import Script

_BOTH = (Family.INET, Family.INET6)


def _beside(dice: Dice, lines: list[str]) -> list[str]:
    """A rule of nft's in a table of iptables'."""
    kind = "ip" if dice.family is Family.INET else "ip6"
    said = ("udp dport 9 accept", "tcp dport { 22, 25 } meta mark set 9", "meta mark 0x9 return")
    return [
        f"nft 'add rule {kind} {table} {chain} {dice.one(said)}'"
        for table, chain in (("mangle", "PREROUTING"), ("filter", "INPUT"))
        if any(f"-t {table} -A {chain}" in line for line in lines)
    ]


def ruleset(seed: str) -> tuple[Script, tuple[Family, ...]]:
    """The rules, and the families that they are about."""
    first = Dice.of(seed, Family.INET)
    families = first.weighed([(6.0, _BOTH[:1]), (2.0, _BOTH[1:]), (2.0, _BOTH)])
    ipsets: list[str] = []
    parts: list[list[str]] = []
    for family in families:
        dice = first if family is Family.INET else Dice.of(seed, family)
        lines, named = sets(dice)
        variants = dice.weighed(
            [(5.0, ("nft",)), (2.5, ("legacy",)), (1.0, ("legacy", "nft")), (2.0, ())]
        )
        used = False
        for variant in variants:
            found = rules(dice, variant, named)
            used = used or "set" in " ".join(found)
            if variant == "nft" and dice.likely(0.03):
                found += _beside(dice, found)
            parts.append(found)
        ipsets += lines if used else []
        tables = 1 + dice.times(2) if not variants or dice.likely(0.35) else 0
        parts += [table(dice, 10 * len(parts) + number) for number in range(tables)]
    first.random.shuffle(parts)
    return (*ipsets, *(line for part in parts for line in part)), families
