"""A firewall whose rules of ours can mark and not accept."""

from msgspec.structs import replace

from lvsmarkd.backends.nftables.own_rules import table_limits
from lvsmarkd.judge.desired import Desired, Options, desired
from lvsmarkd.model.declaration import Declared
from lvsmarkd.model.rule import Accept, Hook
from tests.harness.values import declare, flow, instance, key, reading, service, want

MARKS_ALONE = Options(limits=table_limits())
WEB = flow("192.0.2.10", 80)


def test_accept_is_refused_with_the_line_that_does_it() -> None:
    found = want(
        declare(80, WEB, accept=True), declare(25, flow("192.0.2.10", 25)), policy=MARKS_ALONE
    )
    (problem,) = found.problems
    assert (problem.fatal, problem.marks) == (True, (80,))
    assert "nft: meta mark 80 accept; iptables: -m mark --mark 80 -j ACCEPT" in problem.message
    assert {rule.mark for rule in found.rules} == {25}


def of(declared: Declared, policy: Options, before: Desired | None = None) -> Desired:
    return desired(reading(service(80)), declared, policy, before)


def test_what_was_in_force_before_stays_and_is_not_accepted() -> None:
    before = of(Declared(declare(80, WEB)), MARKS_ALONE)
    now = of(Declared(declare(80, WEB, accept=True)), MARKS_ALONE, before)
    assert now.rules == before.rules != frozenset()
    assert now.frozen_marks == {80}
    moved = of(
        Declared(declare(80, WEB, accept=True)),
        MARKS_ALONE,
        of(Declared(declare(80, WEB, accept=True)), Options()),
    )
    assert moved.rules == frozenset()
    assert moved.short == {key(80)}


def test_nothing_is_wanted_at_input_and_directors_agree_all_the_same() -> None:
    flows, instances = declare(80, WEB), (instance("192.0.2.10", ah=True),)
    mine, others = (
        want(flows, instances=instances, policy=policy) for policy in (MARKS_ALONE, Options())
    )
    assert {rule.hook for rule in mine.rules} == {Hook.PREROUTING}
    assert Accept() in {rule.action for rule in others.rules}
    assert mine.checksum == others.checksum
    off = want(flows, instances=instances, policy=replace(MARKS_ALONE, vrrp_accept=False))
    assert off.checksum != mine.checksum


def test_ports_that_touch_are_one_range() -> None:
    flows = [flow("192.0.2.10", *ports) for ports in ((80,), (81,), (82, 90), (443,))]
    (rule,) = want(declare(80, *flows), policy=MARKS_ALONE).rules
    assert str(rule) == "192.0.2.10/32 tcp 80-90,443 mark 80"
    (as_written,) = (
        rule for rule in want(declare(80, *flows)).rules if rule.hook is Hook.PREROUTING
    )
    assert str(as_written) == "192.0.2.10/32 tcp 80,81,82-90,443 mark 80"
