"""The name of somebody else's rule."""

from lvsmarkd.model.rule_ref import Keeper, RuleRef

ONE = RuleRef("mangle", "PREROUTING", "-j ACCEPT", 1)


def test_a_rule_is_the_same_one_wherever_it_has_moved_in_its_chain() -> None:
    moved = RuleRef("mangle", "PREROUTING", "-j ACCEPT", 7)
    assert moved == ONE
    assert not moved != ONE  # noqa: SIM202 - both are asked, and msgspec's own says otherwise
    assert hash(moved) == hash(ONE)


def test_another_chain_text_or_keeper_is_another_rule() -> None:
    for other in (
        RuleRef("mangle", "INPUT", "-j ACCEPT", 1),
        RuleRef("mangle", "PREROUTING", "-j DROP", 1),
        RuleRef("mangle", "PREROUTING", "-j ACCEPT", 1, Keeper.NFTABLES),
    ):
        assert other != ONE
        assert not other == ONE  # noqa: SIM201 - likewise


def test_what_has_neither_text_nor_line_is_the_policy_of_its_chain() -> None:
    assert RuleRef("filter", "INPUT", "").is_policy
    assert not RuleRef("filter", "INPUT", "", 1).is_policy
    assert RuleRef("filter", "INPUT", "").is_beside(RuleRef("filter", "INPUT", "-j DROP", 3))
