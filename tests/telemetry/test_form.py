"""Findings as JSON has them, and as people read them: the same, from wherever they come."""

import pytest
from msgspec.structs import replace

from lvsmarkd.cli.output import print_findings
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.origin import Origin
from lvsmarkd.model.rule_ref import Keeper, RuleRef
from lvsmarkd.model.service import Family
from lvsmarkd.telemetry.form import finding_form, state_form
from tests.harness.values import key
from tests.telemetry.reports import missing, rule, state

FOREIGN = RuleRef("mangle", "PREROUTING", "-j MARK --set-mark 5", 3)
CONFLICT = Finding(
    Kind.CONFLICT,
    f"a rule in {FOREIGN.where} gives packets mark 5",
    "remove or narrow it",
    graded=Severity.CRITICAL,
    service=key(80),
    family=Family.INET,
    rule=FOREIGN,
    origins=(Origin("keepalived.conf", 3),),
)


def test_a_finding_has_the_keys_that_machines_rely_on_and_its_values_beside_them() -> None:
    assert finding_form(CONFLICT) == {
        "kind": "conflict",
        "severity": "critical",
        "plane": "runtime",
        "family": "inet",
        "mark": 80,
        "message": "a rule in table mangle, chain PREROUTING gives packets mark 5;"
        " remove or narrow it",
        "fact": "a rule in table mangle, chain PREROUTING gives packets mark 5",
        "advice": "remove or narrow it",
        "detail": "-j MARK --set-mark 5",
        "rule": {
            "own": False,
            "table": "mangle",
            "chain": "PREROUTING",
            "line": 3,
            "text": "-j MARK --set-mark 5",
        },
        "paste": "",
        "origins": ["keepalived.conf:3"],
    }


def test_a_rule_of_ours_is_told_from_one_of_others() -> None:
    assert finding_form(missing(80))["rule"] == {"own": True, "text": str(rule(80))}


def test_a_rule_that_the_firewall_refuses_has_the_name_that_it_always_had() -> None:
    assert finding_form(Finding(Kind.REJECTED, "so it is"))["kind"] == "refused"


@pytest.mark.parametrize(
    ("ref", "where"),
    [
        (FOREIGN, "table mangle, chain PREROUTING"),
        (RuleRef("ip x", "c", "", keeper=Keeper.NFTABLES), "nft table ip x, chain c"),
        (RuleRef("", "zone public", "", keeper=Keeper.FIREWALLD), "firewalld's zone public"),
    ],
)
def test_a_rule_of_others_stands_somewhere(ref: RuleRef, where: str) -> None:
    assert ref.where == where


def test_a_rule_is_the_same_one_wherever_it_has_moved_to_in_its_chain() -> None:
    assert RuleRef("mangle", "PREROUTING", FOREIGN.text, 4) == FOREIGN
    assert RuleRef("mangle", "OTHER", FOREIGN.text, 3) != FOREIGN


def test_a_finding_is_printed_with_its_rule_unless_the_sentence_quotes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paste = Finding(Kind.UNCOVERED, "no rule sets it", "declare it", paste="# lvsmarkd: …\n# …")
    print_findings(map(finding_form, (CONFLICT, missing(80), paste)))
    assert capsys.readouterr().out.splitlines() == [
        "critical: conflict  fwmark 80 inet  keepalived.conf:3",
        "    a rule in table mangle, chain PREROUTING gives packets mark 5; remove or narrow it",
        "    -j MARK --set-mark 5",
        "critical: missing  fwmark 80 inet",
        f"    the rule “{rule(80)}” is not there; it is to be added",
        "critical: uncovered",
        "    no rule sets it; declare it",
        "    # lvsmarkd: …",
        "    # …",
    ]


def test_a_service_of_which_it_is_not_known_says_why_and_not_what_was_known_before() -> None:
    hidden = replace(state(80, covered=None), unknown_because="a rule hides it", last_known=True)
    form = state_form(hidden)
    assert (form["covered"], form["unknown_because"]) == (None, "a rule hides it")
    form = state_form(state(80))
    assert (form["covered"], form["unknown_because"]) == (True, None)
