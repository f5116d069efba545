"""What rules of others mark for a service, said by flows: just that, or the reason why not."""

import pytest

from lvsmarkd.declarations.annotation import parse
from lvsmarkd.declarations.resolve import resolve
from lvsmarkd.judge.adviser import Advice, Adviser
from lvsmarkd.judge.desired import Options, desired
from lvsmarkd.judge.judgement import judge
from lvsmarkd.judge.outlook import mistaken_for
from lvsmarkd.judge.outlooks import outlook
from lvsmarkd.model.declaration import Declaration, Declared
from lvsmarkd.model.finding import Finding, Kind, Severity
from lvsmarkd.model.keepalived import Annotation
from lvsmarkd.model.origin import Problem
from tests.harness.values import HERE, instance, key, reading, service
from tests.judge.test_outlook import HOST, TWO, seen

MAC = "52:54:00:00:00:01"
WEB = "pre -d 192.0.2.10 -p tcp --dport 80 "


def adviser(text: str, *marks: int, host: object = TWO) -> Adviser:
    read = reading(*map(service, marks or (80,)), instances=(instance("192.0.2.10"),))
    wish = desired(read, Declared(), Options())
    snapshot = seen(text, TWO if host is TWO else HOST)
    return Adviser(wish, snapshot, outlook(wish, snapshot.ruleset, snapshot.host))


def advised(text: str, mark: int = 80) -> Advice:
    return adviser(text, mark).advice(key(mark))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        (WEB + "MARK 80", "tcp 80"),
        # By the mark that packets have in the end, however it was made.
        (WEB + "-j MARK --set-xmark 0x50/0xff", "tcp 80"),
        (WEB + "-j MARK --set-xmark 0x40/0x40\n" + WEB + "-j MARK --set-xmark 0x10/0x10", "tcp 80"),
        ("pre -d 192.0.2.10 -p tcp -m multiport --dports 80,443 MARK 80", "tcp 80,443"),
        (
            "pre -d 192.0.2.10 -p tcp MARK 80\npre -p tcp --dport 22 MARK 9",
            "tcp 1-21,23-65535",
        ),
        ("pre -p tcp --dport 22 -j ACCEPT\npre -p tcp MARK 80", "tcp 1-21,23-65535"),
        (WEB + "-i eth0 MARK 80", "tcp 80 in-interface eth0"),
        (WEB + "-i eth0 MARK 80\n" + WEB + "! -i eth0 MARK 80", "tcp 80"),
        (WEB + f"-m mac ! --mac-source {MAC} MARK 80", f"tcp 80 not-from-mac {MAC}"),
        # What another rule marks without the condition comes from everybody.
        (WEB + f"-m mac ! --mac-source {MAC} MARK 80\n" + WEB + "MARK 80", "tcp 80"),
        # Who is refused altogether is no matter.
        ("raw PREROUTING -s 203.0.113.0/24 -j DROP\n" + WEB + "MARK 80", "tcp 80"),
        ("raw PREROUTING -s 203.0.113.0/24 -j ACCEPT\n" + WEB + "MARK 80", "tcp 80"),
    ],
)
def test_flows_say_just_what_comes_with_the_mark(rules: str, text: str) -> None:
    assert advised(rules) == Advice(f"# lvsmarkd: fwmark 80 to 192.0.2.10 {text}")


@pytest.mark.parametrize(
    "rules",
    [
        "pre -s 203.0.113.0/24 -j ACCEPT\n" + WEB + "MARK 80",
        WEB + "! -s 203.0.113.0/24 MARK 80",
        WEB + "-m time --timestart 10:00 MARK 80",
        "\n".join(f"pre -d 192.0.2.10 -p tcp --dport {port} MARK 80" for port in range(1, 200, 2)),
    ],
)
def test_what_flows_cannot_say_is_not_suggested_and_why(rules: str) -> None:
    found = advised(rules)
    assert found.text == ""
    assert found.reason


def test_what_is_suggested_together_is_accepted_together() -> None:
    rules = "pre -d 192.0.2.10 -p tcp MARK 12\npre -d 192.0.2.10 -p tcp --dport 80 MARK 10"
    both = adviser(rules, 10, 12)
    declarations: list[Declaration] = []
    for mark in (10, 12):
        parsed = parse(Annotation(both.advice(key(mark)).text.removeprefix("# lvsmarkd: "), HERE))
        assert not isinstance(parsed, Problem)
        declarations += parsed
    assert resolve(declarations, ()).problems == ()


def test_a_number_that_was_misread_has_the_flows_that_were_meant() -> None:
    rules = WEB.replace("80", "8080") + f"-m mac ! --mac-source {MAC} MARK 16"
    text = f"# lvsmarkd: fwmark 10 to 192.0.2.10 tcp 8080 not-from-mac {MAC}"
    assert advised(rules, 10).text == text
    assert (mistaken_for(10), mistaken_for(80), mistaken_for(5)) == ((16,), (128, 50), ())


def _others(rules: str, *vips: str) -> list[Finding]:
    read = reading(service(3), instances=(instance(*vips),))
    plan = judge(desired(read, Declared(), Options()), seen(rules))
    return [f for f in plan.findings if f.kind is Kind.PROBLEM]


def test_an_address_beside_a_marked_one_that_nothing_marks_is_told() -> None:
    one = "pre -d 192.0.2.10 -p tcp --dport 80 MARK 3"
    [told] = _others(one, "192.0.2.10", "192.0.2.20")
    assert told.severity is Severity.WARNING
    assert "192.0.2.20" in told.fact
    assert not _others(one, "192.0.2.10")
    assert not _others(one.replace("192.0.2.10", "192.0.2.0/24"), "192.0.2.10", "192.0.2.20")
    assert not _others("", "192.0.2.10", "192.0.2.20")
