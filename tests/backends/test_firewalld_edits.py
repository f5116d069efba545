"""A thousand edits of another client, at random and at the same time: all ends as it should."""

import json
import subprocess
from pathlib import Path

import pytest

from lvsmarkd.declarations.tables import Reload
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.netfilter.errors import FirewallError
from tests.backends.grounds import firewalld_ground
from tests.harness.firewalld import firewalld
from tests.harness.netns import run
from tests.harness.values import carry_out, declare, flow, key, want
from tests.harness.whole import before_input

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

EDITOR = Path(__file__).with_name("editor.py")
EDITS = 500
OURS = History(ours=lambda _spot: True)
"""As the daemon's: it remembers that its rules were there."""


@pytest.mark.parametrize("placement", ["policy", "zone"])
def test_edits_at_random_end_converged_with_every_foreign_rule_in_place(
    placement: str, netns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with firewalld() as bed:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bed.address)
        run("ip", "link", "add", "e1", "type", "veth", "peer", "name", "e1x")
        for options in ((), ("--permanent",)):
            bed.cmd(*options, "--zone=internal", "--add-interface=e1")
        # Reloads are the other's: one of ours could come between two of its edits.
        with firewalld_ground(bed, tmp_path, placement, Reload.NEVER) as ground:
            wish = want(
                declare(80, flow("192.0.2.10", 80), flow("192.0.2.10", 443), accept=True),
                declare(81, flow("2001:db8::10", 81)),
                policy=ground.policy,
            )
            carry_out(ground.backend, judge(wish, ground.backend.read()))
            bed.cmd("--reload")
            editing = subprocess.Popen(
                ["/usr/bin/python3", str(EDITOR), str(EDITS), "7"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            passes = repairs = crossed = 0
            while editing.poll() is None:
                plan = judge(wish, ground.backend.read(), history=OURS)
                try:
                    carry_out(ground.backend, plan)
                except FirewallError:
                    crossed += 1  # something changed between our look and our write
                passes, repairs = passes + 1, repairs + len(plan.steps)
            told, complaint = editing.communicate(timeout=10)
            assert editing.returncode == 0, complaint
            answer = json.loads(told)
            assert passes > 20
            assert repairs > 50
            assert crossed < passes / 2
            carry_out(ground.backend, judge(wish, ground.backend.read(), history=OURS))
            left = judge(wish, ground.backend.read(), history=OURS)
            assert left.steps == ()
            assert covered(wish, before_input(ground.backend.read())) == {
                key(80): True,
                key(81, "inet6"): True,
            }
            for plane, options in (("now", ()), ("then", ("--permanent",))):
                for zone, rules in answer["expected"][plane].items():
                    listed = bed.cmd(*options, f"--zone={zone}", "--list-rich-rules").splitlines()
                    others = [line for line in listed if "10965" not in line]
                    assert sorted(others) == rules, (plane, zone)
            bed.cmd("--reload")
            assert judge(wish, ground.backend.read(), history=OURS).steps == ()
            print(f"{passes} passes, {repairs} steps, {crossed} crossed, {answer['refused']}")  # noqa: T201 - how much it was
