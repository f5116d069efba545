"""What became of a plan, where one family refuses a rule and the other cannot be written at all."""

from pathlib import Path

from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.toolset import Tools, Toolset, Variant
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain, Snapshot
from lvsmarkd.netfilter.errors import Trouble
from tests.harness.paper import CHAIN_KEYS
from tests.harness.values import declare, flow, want

WISH = want(
    declare(80, flow("192.0.2.10", 80)),
    declare(25, flow("192.0.2.10", 25)),
    declare(80, flow("2001:db8::10", 80)),
)


def _program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_rules_that_are_refused_are_told_also_where_another_family_is_busy(tmp_path: Path) -> None:
    save = _program(tmp_path / "save", "exit 0")
    picky = _program(
        tmp_path / "picky", 'case "$(cat)" in *"dport 25"*) echo no port 25 >&2; exit 2;; esac'
    )
    busy = _program(
        tmp_path / "busy", "cat >/dev/null; echo Another app holds the xtables lock >&2; exit 4"
    )
    tools = {Family.INET: Tools(save, picky), Family.INET6: Tools(save, busy)}
    backend = IptablesBackend(Toolset(Variant.NFT, "1.8.9", tools), Backup(tmp_path / "backup"))
    plan = judge(WISH, Snapshot(dict.fromkeys(CHAIN_KEYS, Chain())))
    applied = backend.apply(plan)
    assert [rule.mark for rule, _ in applied.rejected] == [25]
    assert applied.error is not None
    assert applied.error.trouble is Trouble.BUSY
