"""python-iptables, which shares nothing with our code, reads back what was written (legacy)."""

import json
import sys
from pathlib import Path

import pytest

from lvsmarkd.backends.choose import choose
from lvsmarkd.judge.judgement import judge
from tests.harness.netns import run, use_variant
from tests.harness.values import carry_out, declare, flow, instance, want

# In a process of its own: it opens its handles when it is imported.
WITNESS = """
import iptc, json, sys
print(json.dumps([iptc.easy.dump_chain("mangle", "LVSMARKD", ipv6=v6) for v6 in (False, True)]
                 + [iptc.easy.dump_chain("filter", "LVSMARKD")]
                 + [iptc.easy.dump_chain("mangle", "PREROUTING")]))
"""


@pytest.mark.usefixtures("netns")
def test_an_independent_reader_finds_the_rules_that_were_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", use_variant(tmp_path / "bin", "legacy"))
    backend = choose("iptables", state_directory=tmp_path / "state")
    wanted = want(
        declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443)),
        declare(21, flow("192.0.2.11", 10000, 20000), accept=True),
        declare(81, flow("2001:db8::10", 80)),
        instances=(instance("192.0.2.10"),),
    )
    carry_out(backend, judge(wanted, backend.read()))
    marks, marks6, accepts, hook = json.loads(run(sys.executable, "-c", WITNESS))
    assert [rule["target"] for rule in hook] == ["LVSMARKD"]
    assert {
        (
            rule["dst"],
            rule["target"]["MARK"]["set-xmark"],
            json.dumps(rule.get("multiport") or rule.get("tcp")),
            rule["comment"]["comment"],
        )
        for rule in marks
    } == {
        ("192.0.2.10/32", "0x50/0xffffffff", '{"dports": "80,443"}', "lvsmarkd fwmark 80"),
        ("192.0.2.11/32", "0x15/0xffffffff", '{"dport": "10000:20000"}', "lvsmarkd fwmark 21"),
    }
    assert [rule["dst"] for rule in marks6] == ["2001:db8::10/128"]
    assert {(rule["protocol"], rule["target"]) for rule in accepts} == {
        ("112", "ACCEPT"),
        ("tcp", "ACCEPT"),
    }
