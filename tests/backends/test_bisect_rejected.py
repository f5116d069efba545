"""Finding the rules that a firewall refuses among those that it takes."""

from collections.abc import Sequence

import pytest

from lvsmarkd.backends.iptables.bisect_rejected import bisect_rejected
from lvsmarkd.model.packets import EVERY_PACKET
from lvsmarkd.model.plan import AddRule, RemoveRule, Step
from lvsmarkd.model.rule import ChainKey, Hook, Plane, Rule, SetMark
from lvsmarkd.model.service import Family
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.values import declare, flow, want

KEY = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
RULES = sorted(want(*(declare(n, flow(f"192.0.2.{n}", n)) for n in range(1, 9))).rules, key=str)
NEWS = [AddRule(KEY, rule) for rule in RULES]


LEFT_TO_DO = RemoveRule(KEY, Rule(Family.INET, Hook.PREROUTING, EVERY_PACKET, SetMark(99), 99))


def mark_of(step: Step) -> int | None:
    assert isinstance(step, AddRule | RemoveRule)
    return step.rule.mark


@pytest.mark.parametrize("trouble", list(Trouble))
@pytest.mark.parametrize("failing", [6, 8, 99], ids=["some", "the-last", "what-is-left-to-do"])
def test_rules_that_were_found_at_fault_are_told_though_a_later_write_fails(
    trouble: Trouble, failing: int
) -> None:
    """Each pass would have to look for them again."""

    def write(steps: Sequence[Step]) -> None:
        marks = {mark_of(step) for step in steps}
        if 2 in marks:
            raise FirewallError(Trouble.REJECTED, "no such rule for me")
        if failing in marks:
            raise FirewallError(trouble, "not now")

    applied = bisect_rejected([*NEWS, LEFT_TO_DO], write)

    [second] = [rule for rule in RULES if rule.mark == 2]
    assert (second, "no such rule for me") in applied.rejected
    if trouble is Trouble.REJECTED and failing != 99:
        assert applied.error is None
        assert {rule.mark for rule, _ in applied.rejected} == {2, failing}
    else:
        assert applied.error is not None
        assert applied.error.trouble is trouble


def test_what_fails_for_another_reason_than_a_rule_blames_none() -> None:
    def write(_steps: Sequence[Step]) -> None:
        raise FirewallError(Trouble.REJECTED, "no table")

    applied = bisect_rejected(NEWS, write)
    assert applied.rejected == ()
    assert applied.error is not None
