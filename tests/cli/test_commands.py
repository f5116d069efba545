"""The command line as scripts and people meet it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lvsmarkd.cli.duration import seconds_of
from tests.harness.control import MAIL, WEB
from tests.harness.netns import run as tool

Run = Callable[..., tuple[int, str, str]]
BARE = "virtual_server fwmark 7 {\n    lb_kind NAT\n    real_server 198.51.100.1 7 { }\n}\n"


@pytest.fixture
def lvsmarkd(tmp_path: Path) -> Run:
    """Runs a command; gives exit status, output, complaint."""
    (tmp_path / "keepalived.conf").write_text(WEB)
    (tmp_path / "lvsmarkd.toml").write_text("")

    def run(*arguments: str, here: bool = True) -> tuple[int, str, str]:
        files = [
            "--config",
            str(tmp_path / "lvsmarkd.toml"),
            "--keepalived-conf",
            str(tmp_path / "keepalived.conf"),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "lvsmarkd", *arguments, *(files if here else [])],
            env=os.environ
            | {
                "RUNTIME_DIRECTORY": str(tmp_path / "run"),
                "STATE_DIRECTORY": str(tmp_path / "state"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.usefixtures("variant")
def test_plan_apply_plan_purge(lvsmarkd: Run) -> None:
    status, text, _ = lvsmarkd("plan")
    assert status == 2
    assert "+ inet mark runtime: 192.0.2.10/32 tcp 80,443 mark 80" in text
    assert "-I PREROUTING -j LVSMARKD" in text
    assert "\x1b" not in text, "no colour in a pipe"
    assert "LVSMARKD" not in tool("iptables-save"), "a plan writes nothing"
    status, text, _ = lvsmarkd("apply")
    assert status == 0, text
    assert text.endswith(" changes made; in sync\n")
    assert "LVSMARKD" in tool("iptables-save")
    status, text, _ = lvsmarkd("plan")
    assert (status, text) == (0, "in sync\n")
    assert json.loads(lvsmarkd("plan", "--json")[1]) == {
        "schema": 1,
        "findings": [],
        "steps": [],
        "scripts": {},
    }
    status, text, _ = lvsmarkd("purge")
    assert status == 0
    assert "our chain" in text
    assert "LVSMARKD" not in tool("iptables-save")
    assert lvsmarkd("purge")[1] == "there is nothing of lvsmarkd to remove\n"


@pytest.mark.usefixtures("netns")
def test_the_json_of_plan_and_marks_is_as_promised(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(WEB + BARE)
    status, text, _ = lvsmarkd("plan", "--json")
    assert status == 2
    plan = json.loads(text)
    [uncovered] = [f for f in plan["findings"] if f["kind"] == "uncovered"]
    assert (uncovered["family"], uncovered["mark"], uncovered["severity"]) == (
        "inet",
        7,
        "critical",
    )
    assert uncovered["origins"] == [f"{tmp_path}/keepalived.conf:6"]
    assert {step["action"] for step in plan["steps"]} == {"rewrite", "anchor"}
    status, text, _ = lvsmarkd("marks", "--json")
    assert status == 0
    marks = json.loads(text)
    assert marks["schema"] == plan["schema"] == 1
    assert [(s["family"], s["mark"], s["coverage"]) for s in marks["services"]] == [
        ("inet", 7, "undeclared"),
        ("inet", 80, "declared"),
    ]
    assert marks["problems"] == []
    assert marks["services"][1]["flows"] == ["192.0.2.10 tcp 80", "192.0.2.10 tcp 443"]


@pytest.mark.usefixtures("netns")
def test_a_rule_of_somebody_elses_makes_a_service_watched(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(BARE)
    assert lvsmarkd("plan")[0] == 2
    tool(
        "iptables",
        "-t",
        "mangle",
        "-A",
        "PREROUTING",
        "-p",
        "tcp",
        "--dport",
        "7",
        "-j",
        "MARK",
        "--set-mark",
        "7",
    )
    assert lvsmarkd("plan")[0] == 0
    (service,) = json.loads(lvsmarkd("marks", "--json")[1])["services"]
    assert service["coverage"] == "watched"
    assert service["suggestion"] == "# lvsmarkd: fwmark 7 to 0.0.0.0/0 tcp 7"
    assert "watched  0.0.0.0/0 tcp 7  " in lvsmarkd("marks")[1]


@pytest.mark.usefixtures("netns")
def test_infer_applies_what_is_unambiguous(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(
        "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n"
        " 192.0.2.9\n }\n}\n" + BARE
    )
    (tmp_path / "lvsmarkd.toml").write_text('[firewall]\nundeclared = "infer"\n')
    assert lvsmarkd("apply")[0] == 0
    assert "-d 192.0.2.9/32 -p tcp -m tcp --dport 7" in tool("iptables-save")
    assert "inferred" in lvsmarkd("plan")[1]


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("lvsmarkd.toml", "[daemon]\nmod = 'observe'\n", ["daemon.mod", "mode"]),
        ("lvsmarkd.toml", "x\n", ["lvsmarkd.toml:1"]),
        ("keepalived.conf", None, ["keepalived.conf"]),
    ],
)
def test_bad_input_is_a_sentence_and_exit_1(
    lvsmarkd: Run, tmp_path: Path, file: str, text: str | None, words: list[str]
) -> None:
    if text is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(text)
    for command in ("plan", "apply", "marks"):
        status, _, complaint = lvsmarkd(command)
        assert status == 1
        for word in words:
            assert word in complaint
    assert "LVSMARKD" not in tool("iptables-save")


@pytest.mark.usefixtures("netns")
def test_one_flow_under_two_marks_names_both_places(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(WEB + MAIL.replace("tcp 25", "tcp 25,443"))
    status, text, _ = lvsmarkd("plan")
    assert status == 2
    assert f"{tmp_path}/keepalived.conf:2" in text
    assert f"{tmp_path}/keepalived.conf:7" in text


@pytest.mark.usefixtures("variant")
def test_a_bad_mark_table_is_refused_and_all_others_are_followed(
    lvsmarkd: Run, tmp_path: Path
) -> None:
    (tmp_path / "lvsmarkd.toml").write_text("\n[[mark]]\nfwmark = 0\nto = '192.0.2.1'\n")
    status, text, _ = lvsmarkd("plan")
    assert status == 2
    assert "lvsmarkd.toml:2 (mark[0].fwmark)" in text
    assert "+ inet mark runtime: 192.0.2.10/32 tcp 80,443 mark 80" in text


@pytest.mark.usefixtures("variant")
def test_purge_does_not_depend_on_the_settings(lvsmarkd: Run, tmp_path: Path) -> None:
    assert lvsmarkd("apply")[0] == 0
    (tmp_path / "lvsmarkd.toml").write_text("bad\n")
    status, text, complaint = lvsmarkd("purge")
    assert (status, "passed over" in complaint) == (0, True)
    assert "our chain" in text
    assert "LVSMARKD" not in tool("iptables-save")


@pytest.mark.usefixtures("variant")
def test_apply_obeys_the_mode(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "lvsmarkd.toml").write_text("[daemon]\nmode = 'observe'\n")
    status, text, _ = lvsmarkd("apply")
    assert (status, "the mode is observe" in text) == (2, True)
    assert "LVSMARKD" not in tool("iptables-save")


@pytest.mark.usefixtures("variant")
def test_bytes_of_others_are_shown_as_escapes(lvsmarkd: Run, tmp_path: Path) -> None:
    rule = b'-A PREROUTING -m comment --comment "\xff\xfe" -j MARK --set-mark 9\n'
    path = tmp_path / "rules"
    path.write_bytes(b"*mangle\n" + rule + b"COMMIT\n")
    tool("iptables-restore", "--noflush", str(path))
    for options in ([], ["--json"]):
        status, text, _ = lvsmarkd("plan", *options)
        assert status == 2
    assert any(finding["kind"] == "orphan" for finding in json.loads(text)["findings"])


def test_an_error_is_an_object_on_stdout_where_json_is_asked_for(
    lvsmarkd: Run, tmp_path: Path
) -> None:
    (tmp_path / "lvsmarkd.toml").write_text("[daemon]\nmod = 'observe'\n")
    cases = [(["marks"], True), (["plan"], True), (["apply"], True), (["status"], False)]
    cases += [(["pause"], False), (["resume"], False), (["plan", "--nonsense"], False)]
    for arguments, here in cases:
        status, text, complaint = lvsmarkd(*arguments, "--json", here=here)
        assert status == 1
        answer = json.loads(text)
        error = answer["error"]
        assert error
        assert answer["schema"] == 1
        assert f"lvsmarkd: {error}" in complaint


@pytest.mark.usefixtures("netns")
def test_where_the_firewall_cannot_be_read_marks_says_why_it_does_not_know(
    lvsmarkd: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("iptables", "ip6tables"):
        for tail in ("", "-save", "-restore"):
            (programs / f"{name}{tail}").write_text("#!/bin/sh\necho it is broken >&2; exit 1\n")
            (programs / f"{name}{tail}").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    status, text, _ = lvsmarkd("marks")
    assert (status, "fwmark 80 inet: not known whether covered: " in text) == (0, True)
    (service,) = json.loads(lvsmarkd("marks", "--json")[1])["services"]
    assert service["covered"] is None
    assert service["unknown_because"]
    status, text, _ = lvsmarkd("plan", "--json")
    assert status == 1
    assert json.loads(text)["error"]


@pytest.mark.usefixtures("netns")
def test_marks_tells_a_refused_declaration_from_none(lvsmarkd: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").write_text(BARE + MAIL.replace("tcp 25", "tcp 25 acept"))
    text = lvsmarkd("marks")[1]
    assert "nobody declared it" in text
    assert "refused declaration" in text
    assert f"problem (fwmark 25): {tmp_path}/keepalived.conf:6: " in text
    assert "(did you mean accept?)\n    the declaration is refused; what was in force" in text
    services = json.loads(lvsmarkd("marks", "--json")[1])["services"]
    assert {service["coverage"] for service in services} == {"undeclared"}


@pytest.mark.parametrize("command", ["status", "pause", "resume"])
@pytest.mark.parametrize("option", ["--config=x", "--keepalived-conf", "--backend=iptables"])
def test_who_asks_the_daemon_names_no_files(lvsmarkd: Run, command: str, option: str) -> None:
    name, _, _ = option.partition("=")
    status, _, complaint = lvsmarkd(command, option, here=False)
    assert status == 1
    assert f"{name} is not for this command: the running daemon answers" in complaint
    assert name not in lvsmarkd(command, "--help", here=False)[1]


def test_usage_errors_are_1_because_2_means_drift(lvsmarkd: Run) -> None:
    for arguments in ((), ("nonsense",), ("plan", "--nonsense"), ("pause", "--for", "soon")):
        status, _, complaint = lvsmarkd(*arguments, here=False)
        assert status == 1
        assert "usage: lvsmarkd" in complaint


def test_without_a_daemon_status_pause_and_resume_say_so(lvsmarkd: Run) -> None:
    for command in ("status", "pause", "resume"):
        status, _, complaint = lvsmarkd(command, here=False)
        assert status == 1
        assert "systemctl status lvsmarkd" in complaint


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400)]
)
def test_times_are_written_as_people_do(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
