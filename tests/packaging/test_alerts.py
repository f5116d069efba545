"""The alerts: each fires and keeps quiet as its test says, and names metrics that there are."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lvsmarkd.telemetry.series import ALL

PLACE = Path(__file__).parent.parent.parent / "packaging" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PLACE / "lvsmarkd.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
TESTS = yaml.safe_load((PLACE / "lvsmarkd.test.yml").read_text())["tests"]


@pytest.mark.slow
@pytest.mark.parametrize("what", [("check", "lvsmarkd.rules.yml"), ("test", "lvsmarkd.test.yml")])
def test_prometheus_takes_them_and_they_do_as_their_tests_say(what: tuple[str, str]) -> None:
    command = ["promtool", what[0], "rules", what[1]]
    done = subprocess.run(
        command, cwd=PLACE, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(
    rule: dict[str, Any],
) -> None:
    asked = [
        bool(case["exp_alerts"])
        for test in TESTS
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert set(asked) == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_they_are_about_metrics_that_there_are(rule: dict[str, Any]) -> None:
    known = {series.name for series in ALL}
    assert set(re.findall(r"lvsmarkd_\w+", rule["expr"])) <= known
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description"}
