"""Native tables, read one by one: the real nft, and one that crashes, hangs or talks nonsense."""

import json
from pathlib import Path

import pytest

from lvsmarkd.model.rule import Hook, SetMark
from lvsmarkd.model.rule_spec import Jump, Verdict
from lvsmarkd.model.ruleset import BaseChain, Lister, Ruleset, Table, TableKey
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.netfilter import nft_json
from lvsmarkd.netfilter.nft_json import read_native, table_of
from tests.harness.netns import run

KEY = TableKey(Lister.NFT, "inet", "t")
OTHER = TableKey(Lister.NFT, "ip", "other")
RULES = """
table inet t {
  map m { type ipv4_addr : mark; elements = { 192.0.2.1 : 80 }; }
  set s { type inet_service; elements = { 80, 443 }; }
  chain d { tcp dport @s accept; }
  chain c { type filter hook prerouting priority -140; policy drop;
    ip daddr 192.0.2.1 tcp dport 80 counter meta mark set 80 comment "web"; jump d; }
}
table ip other { chain c { type nat hook prerouting priority -100; }; }
table ip mangle { chain PREROUTING { type filter hook prerouting priority -150; }; }
table bridge b { chain c { type filter hook input priority 0; }; }
"""


@pytest.fixture
def native(netns: None, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(RULES)
    run("nft", "-f", str(rules))


def wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program nft before the real one, which it may call as $nft."""
    real = run("sh", "-c", "command -v nft").strip()
    directory = tmp_path / "bin"
    directory.mkdir()
    script = directory / "nft"
    script.write_text(f"#!/bin/sh\nnft={real}\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/sbin:/usr/bin:/sbin:/bin")


@pytest.mark.netns
def test_all_tables_are_read_but_those_that_iptables_lists(native: None) -> None:
    ruleset = read_native()
    assert {(key.family, key.name) for key in ruleset.tables} == {
        ("inet", "t"),
        ("ip", "other"),
        ("bridge", "b"),
    }
    table = ruleset.table(KEY)
    assert table is not None
    assert table.chains["c"].base == BaseChain(Hook.PREROUTING, -140, Verdict.DROP, "filter")
    marking, jump = table.chains["c"].rules
    assert (marking.spec.packets.text(prefixes=True), marking.spec.effects) == (
        "192.0.2.1/32 tcp 80",
        (SetMark(80),),
    )
    assert (marking.packets, marking.spec.comment, marking.line) == (0, "web", 1)
    assert marking.handle is not None
    assert jump.spec.only_effect == Jump("d")
    assert set(table.reached("c")) == {"c", "d"}
    other = ruleset.table(OTHER)
    assert other is not None
    assert other.chains["c"].base == BaseChain(Hook.PREROUTING, -100, kind="nat")
    assert (other.handle or 0) > (table.handle or 0)


@pytest.mark.netns
def test_elements_of_named_sets_are_there_where_they_were_asked_for(native: None) -> None:
    terse, whole = read_native().table(KEY), read_native(elements=True).table(KEY)
    assert terse is not None
    assert whole is not None
    assert [s.elements for s in terse.sets.values()] == [None, None]
    (element,) = whole.sets["m"].elements or ()
    assert (str(element.key), element.data, whole.sets["m"].data) == ("192.0.2.1/32", 80, "mark")
    assert [str(e.key) for e in whole.sets["s"].elements or ()] == ["80", "443"]


@pytest.mark.netns
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("kill -SEGV $$", "-11"),
        ("echo no JSON; exit 0", "no ruleset in JSON"),
        ("echo '{\"nftables\": 5}'; exit 0", "no list of objects"),
        ("echo Operation not permitted >&2; exit 1", "not permitted"),
        ("exec sleep 60", "did not end"),
    ],
)
def test_a_table_that_cannot_be_read_hides_itself_only(
    native: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, reason: str
) -> None:
    monkeypatch.setattr(nft_json, "READ_TIMEOUT", 2.0)
    wrapped(tmp_path, monkeypatch, f'case "$*" in *"ip other") {trouble};; esac\nexec $nft "$@"')
    ruleset = read_native()
    hidden = ruleset.tables[OTHER]
    assert isinstance(hidden, Unknown)
    assert reason in hidden.reason
    assert isinstance(ruleset.tables[KEY], Table)
    assert ruleset.unread == {}


@pytest.mark.netns
def test_where_not_even_the_tables_are_told_nothing_is_known_of_any(
    native: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped(tmp_path, monkeypatch, "kill -SEGV $$")
    ruleset = read_native()
    assert ruleset == Ruleset(unread={Lister.NFT: Unknown("nft failed: -11")})


@pytest.mark.netns
def test_a_table_that_went_away_meanwhile_is_not_there(
    native: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped(
        tmp_path,
        monkeypatch,
        'case "$*" in *"ip other") $nft delete table ip other;; esac\nexec $nft "$@"',
    )
    ruleset = read_native()
    assert OTHER not in ruleset.tables
    assert KEY in ruleset.tables


def test_what_is_odd_in_a_listing_is_left_aside() -> None:
    objects = json.loads(
        '[{"metainfo": {}}, 5, {"rule": {"family": "ip", "table": "t", "chain": "c"}},'
        ' {"table": {"family": "inet", "name": "t", "handle": true, "flags": ["garbage"]}},'
        ' {"chain": {"family": "inet", "table": "t", "name": "c", "hook": "of a later version"}},'
        ' {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": 5, "handle": "x"}}]'
    )
    table = table_of(KEY, objects)
    (rule,) = table.chains["c"].rules
    assert (table.dormant, table.handle, table.chains["c"].base) == (False, None, None)
    assert (rule.handle, len(rule.spec.conditions)) == (None, 1)
