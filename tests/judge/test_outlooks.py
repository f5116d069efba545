"""Outlooks that are changed are as those that are made anew, whatever is changed."""

from collections.abc import Iterable
from random import Random

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from lvsmarkd.judge import outlooks as module
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.outlook import Outlook
from lvsmarkd.judge.outlooks import Outlooks, outlook
from lvsmarkd.model.ruleset import (
    Lister,
    Ruleset,
    Table,
    TableKey,
)
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.ipset_save import sets_of
from lvsmarkd.netfilter.iptables_save import read_saved
from tests.fuzz.judge.dice import V4, Dice
from tests.fuzz.judge.director import HOST
from tests.fuzz.judge.ipset_rules import sets
from tests.fuzz.judge.iptables_rules import rules
from tests.harness.rulesets import saved
from tests.harness.values import declare, flow, key, want

VARIANTS = {"nft": Lister.IPTABLES_NFT, "legacy": Lister.IPTABLES_LEGACY}
WANTED = want(
    *(declare(80 + n, flow(vip, 80), flow(vip, 400, 500)) for n, vip in enumerate(V4)),
    declare(25, flow("198.18.7.0/28", 25, in_interface="eth1")),
    declare(9, flow("192.0.2.8/29", transport=None)),
)


class Edited(Struct):
    """A ruleset that somebody edits: lines of iptables' by variant and table, sets."""

    random: Random
    pool: list[tuple[str, str, str]]
    sets: list[str]
    lines: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    desired: Desired = WANTED

    @classmethod
    def of(cls, seed: str) -> "Edited":
        random = Random(seed)  # noqa: S311 - the same every time
        made, named = sets(Dice.of(seed, Family.INET))
        pool = [
            (variant, table, line)
            for number in range(8)
            for variant in VARIANTS
            for said in rules(Dice.of(f"{seed}{number}", Family.INET), variant, named)
            for _, _, table, line in (said.split(maxsplit=3),)
            if variant == "nft" or number < 2
        ]
        found = cls(random, pool, [line.partition(" ")[2] for line in made])
        for variant, table, line in random.sample(pool, random.randrange(min(len(pool), 25))):
            found.lines.setdefault((variant, table), []).append(line)
        return found

    def edit(self) -> None:
        """Change something, or a few things."""
        for _ in range(self.random.choice((1, 1, 1, 2, 5))):
            self.random.choice(
                (*(self._put,) * 4, *(self._take,) * 3, self._swap, self._change_sets, self._wish)
            )()

    def ruleset(self) -> Ruleset:
        """What it is by now."""
        tables: dict[TableKey, Table] = {}
        for (variant, name), lines in self.lines.items():
            source = VARIANTS[variant]
            found = read_saved(_listing(name, lines), source, "ip")
            tables |= {
                TableKey(source, "ip", n): t for n, t in found.items() if isinstance(t, Table)
            }
        return Ruleset(tables, ipsets=sets_of("\n".join(self.sets)))

    def _put(self) -> None:
        variant, table, line = self.random.choice(self.pool)
        lines = self.lines.setdefault((variant, table), [])
        lines.insert(self.random.randint(0, len(lines)), line)

    def _take(self) -> None:
        if full := [lines for lines in self.lines.values() if lines]:
            lines = self.random.choice(full)
            del lines[self.random.randrange(len(lines))]

    def _swap(self) -> None:
        if full := [lines for lines in self.lines.values() if len(lines) > 1]:
            lines = self.random.choice(full)
            self.random.shuffle(lines)

    def _change_sets(self) -> None:
        added = [number for number, line in enumerate(self.sets) if line.startswith("add")]
        if added and self.random.random() < 0.5:
            del self.sets[self.random.choice(added)]
        elif added:
            self.sets.append(
                self.sets[self.random.choice(added)].replace("192.0.2.10", "192.0.2.11")
            )

    def _wish(self) -> None:
        flows = dict(WANTED.flows)
        for _ in range(self.random.randrange(3)):
            del flows[self.random.choice(list(flows))]
        bare = WANTED.services.keys() - flows.keys() if self.random.random() < 0.5 else ()
        services = {
            **{k: WANTED.services[k] for k in flows},
            **{k: WANTED.services[k] for k in bare},
        }
        self.desired = replace(
            WANTED, services=services, flows={**flows, **dict.fromkeys(bare, ())}
        )


def _listing(table: str, lines: Iterable[str]) -> str:
    """What iptables-save might print of what was typed."""
    policies = dict.fromkeys(("PREROUTING", "INPUT"), "ACCEPT")
    chains: dict[str, str] = {}
    said = []
    for line in lines:
        match line.split():
            case ["-N", chain]:
                chains[chain] = "-"
            case ["-P", chain, policy]:
                policies[chain] = policy
            case ["-A", chain, *_]:
                if chain not in policies:
                    chains[chain] = "-"
                said.append(line)
            case _:
                raise ValueError(line)
    heads = [f":{chain} {policy} [0:0]" for chain, policy in (policies | chains).items()]
    return "\n".join((f"*{table}", *heads, *said, "COMMIT", ""))


def told(found: Outlook) -> str:
    """All of it, the lines of rules too."""
    return repr((sorted(found.services.items()), found.unread, found.entries))


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 60))]
)
def test_an_outlook_that_is_changed_is_as_one_that_is_made_anew(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_CHANGES", 8)
    edited = Edited.of(str(seed))
    outlooks = Outlooks()
    for _ in range(15):
        edited.edit()
        ruleset = edited.ruleset()
        changed = outlooks.of(edited.desired, ruleset, HOST)
        assert told(changed) == told(outlook(edited.desired, ruleset, HOST))


OWN = "\n".join(f"pre -d {vip} -p tcp --dport 80 MARK {80 + n}" for n, vip in enumerate(V4))
SERVED = want(*(declare(80 + n, flow(vip, 80)) for n, vip in enumerate(V4)))


def _kept_beside(before: Outlook, after: Outlook) -> set[str]:
    """The VIPs of services of which the very same answer is told."""
    return {
        vip
        for n, vip in enumerate(V4)
        if before.services[key(80 + n)] is after.services[key(80 + n)]
    }


@pytest.mark.parametrize(
    ("line", "followed"),
    [
        ("in -d 192.0.2.10 -j DROP", {"192.0.2.10"}),
        ("in -d 192.0.2.10/31 -p tcp --dport 80 -j DROP", {"192.0.2.10", "192.0.2.11"}),
        ("in -d 192.0.2.99 -j DROP", set()),
        ("in -p tcp --dport 81 -j DROP", set()),
        ("in -m mark --mark 82 -j DROP", {"192.0.2.12"}),
        ("in -m mark --mark 7 -j DROP", set()),
        ("in -s 10.0.0.0/8 -j DROP", set()),
        ("in -j ACCEPT", set(V4)),
    ],
)
def test_only_what_a_rule_may_hold_for_is_followed_anew(line: str, followed: set[str]) -> None:
    outlooks = Outlooks()
    plain = f"{OWN}\nin -d 203.0.113.200 -j ACCEPT"
    before = outlooks.of(SERVED, saved(plain), HOST)
    after = outlooks.of(SERVED, saved(f"{plain}\n{line}"), HOST)
    assert _kept_beside(before, after) == set(V4) - followed
    again = outlooks.of(SERVED, saved(plain), HOST)
    assert told(again) == told(before)
    assert _kept_beside(after, again) == set(V4) - followed


def test_only_what_a_set_has_otherwise_is_followed_anew() -> None:
    rules = saved(f"{OWN}\nin -m set --match-set s dst -j DROP")
    outlooks = Outlooks()
    one = replace(rules, ipsets=sets_of("create s hash:ip\nadd s 192.0.2.10"))
    before = outlooks.of(SERVED, one, HOST)
    both = replace(rules, ipsets=sets_of("create s hash:ip\nadd s 192.0.2.10\nadd s 192.0.2.11"))
    after = outlooks.of(SERVED, both, HOST)
    assert [after.covered(key(80)), after.covered(key(81)), after.covered(key(82))] == [
        False, False, True,
    ]  # fmt: skip
    assert _kept_beside(before, after) == set(V4) - {"192.0.2.11"}


def test_a_look_that_would_take_too_long_is_cut_and_said_and_the_next_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_STEPS", 60)
    outlooks = Outlooks()
    before = outlooks.of(SERVED, saved(OWN), HOST)
    assert {before.covered(each) for each in SERVED.services} == {True}
    many = "\n".join(f"in -m time --timestart 10:{n:02} MARK {n}" for n in range(20))
    cut = outlooks.of(SERVED, saved(f"{OWN}\n{many}"), HOST)
    assert {cut.covered(each) for each in SERVED.services} == {None}
    assert {cut.why_unknown(each) for each in SERVED.services} == {"there are too many rules"}
    assert told(outlooks.of(SERVED, saved(OWN), HOST)) == told(before)


def test_a_sender_that_a_rule_names_by_now_is_another_one() -> None:
    outlooks = Outlooks()
    before = outlooks.of(SERVED, saved(OWN), HOST)
    named = saved(f"{OWN}\nin -s 91.198.174.0/24 -j DROP")
    assert told(outlooks.of(SERVED, named, HOST)) == told(outlook(SERVED, named, HOST))
    assert outlooks.of(SERVED, named, HOST).covered(key(80))
    assert told(outlooks.of(SERVED, saved(OWN), HOST)) == told(before)


def test_rules_behind_a_new_one_are_told_by_their_new_lines() -> None:
    outlooks = Outlooks()
    drop = "in -d 192.0.2.10 -j DROP"
    outlooks.of(SERVED, saved(f"{OWN}\nin -s 10.0.0.1 -j ACCEPT\n{drop}"), HOST)
    longer = saved(f"{OWN}\nin -s 10.0.0.1 -j ACCEPT\nin -s 10.0.0.2 -j ACCEPT\n{drop}")
    (part,) = outlooks.of(SERVED, longer, HOST).services[key(80)].parts
    assert part.fate.rules[-1].line == 3
