"""The order in which packets meet base chains."""

from lvsmarkd.judge.evaluation.hook_path import base_chains, hook_path
from lvsmarkd.model.rule import Hook
from lvsmarkd.model.ruleset import BaseChain, Lister, Ruleset, Table, TableChain, TableKey
from lvsmarkd.model.service import Family
from lvsmarkd.model.unknown import Unknown
from tests.harness.rulesets import saved


def native(name: str, *chains: TableChain, handle: int = 1, family: str = "inet") -> Ruleset:
    key = TableKey(Lister.NFT, family, name)
    return Ruleset({key: Table(key, {c.name: c for c in chains}, handle=handle)})


def base(name: str, priority: int, hook: Hook = Hook.PREROUTING, handle: int = 1) -> TableChain:
    return TableChain(name, (), BaseChain(hook, priority), handle)


def met(ruleset: Ruleset, family: Family = Family.INET) -> list[str]:
    """Tables, in the order of their base chains."""
    stages = hook_path(ruleset, family).stages
    return [each.table.key.name for stage in stages for each in stage.chains]


def test_base_chains_are_met_by_hook_and_priority_whoever_made_them() -> None:
    ruleset = (
        saved("pre MARK 3\nmangle INPUT MARK 6\nraw PREROUTING MARK 2")
        | native("late", base("c", -100))
        | native("early", base("c", -300), handle=2)
        | native("at -149", base("c", -149), handle=3)
        | native("six", base("c", -100), family="ip6")
        | native("in", base("c", 0, Hook.INPUT))
        | native("out", base("c", 0, Hook.OUTPUT))
    )
    order = met(ruleset)
    assert set(order[:2]) == {"early", "raw"}
    assert order[2:] == ["mangle", "at -149", "late", "mangle", "in"]


def test_of_equal_priority_what_has_the_later_handle_is_taken_to_run_first() -> None:
    ruleset = native("a", base("older", -5, handle=1), base("newer", -5, handle=9)) | native(
        "b", base("c", -5), handle=2
    )
    found = base_chains(ruleset, Family.INET, Hook.PREROUTING)
    assert [each.chain.name for each in found] == ["c", "newer", "older"]


def test_of_one_table_that_is_known_and_of_several_it_is_not() -> None:
    one = native("a", base("older", -5, handle=1), base("newer", -5, handle=9))
    assert [len(stage.chains) for stage in hook_path(one, Family.INET).stages] == [1, 1]
    both = one | native("b", base("c", -5), handle=2)
    assert [len(stage.chains) for stage in hook_path(both, Family.INET).stages] == [3]


def test_a_dormant_table_is_not_met_and_one_that_could_not_be_read_is_told() -> None:
    key = TableKey(Lister.NFT, "inet", "t")
    unread = hook_path(Ruleset({key: Unknown("nft failed: -11")}), Family.INET)
    assert (unread.stages, unread.unread) == ((), ((key, "nft failed: -11"),))
    assert met(Ruleset({key: Table(key, {"c": base("c", 0)}, dormant=True)})) == []
