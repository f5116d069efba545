"""``lvsmarkd explain`` over real rules, with and without a daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.daemon import Daemon
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run as tool

Run = Callable[..., tuple[int, str, str]]
CONF = """\
vrrp_instance VI_1 {
    interface v0
    virtual_router_id 5
    virtual_ipaddress {
        192.0.2.10
    }
}
virtual_server fwmark 80 {
    # lvsmarkd: to 192.0.2.10 tcp 80,443
    real_server 198.51.100.1 80 { }
}
virtual_server fwmark 21 {
    real_server 198.51.100.1 21 { }
}
"""
MARKING = "-t mangle -A PREROUTING -d 192.0.2.10 -p tcp --dport {} -j MARK --set-mark {}"


def iptables(words: str) -> None:
    tool("iptables-nft", *words.split())


def mark(port: int, mark: int) -> None:
    iptables(MARKING.format(port, mark))


@pytest.fixture
def host(netns: None) -> None:
    """A director that holds the VIP."""
    tool("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    for name in ("v0", "v1"):
        tool("ip", "link", "set", name, "up")
    tool("ip", "addr", "add", "192.0.2.10/24", "dev", "v0")


@pytest.fixture
def explain(host: None, tmp_path: Path) -> Run:
    """Runs the command about the files of the test; gives exit status, output, complaint, in which
    files go without their directory.
    """
    (tmp_path / "keepalived.conf").write_text(CONF)
    (tmp_path / "lvsmarkd.toml").write_text('[firewall]\nbackend = "iptables"\n')
    files = ["--config", "lvsmarkd.toml", "--keepalived-conf", "keepalived.conf"]

    def run(words: str, *before: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*before, sys.executable, "-m", "lvsmarkd", "explain", *words.split(), *files],
            env=os.environ
            | {
                "RUNTIME_DIRECTORY": str(tmp_path / "run"),
                "STATE_DIRECTORY": str(tmp_path / "state"),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        here = f"{tmp_path}/"
        return done.returncode, done.stdout.replace(here, ""), done.stderr.replace(here, "")

    return run


def answer(explain: Run, words: str) -> dict[str, Any]:
    _, text, complaint = explain(f"{words} --json")
    assert complaint == ""
    (only,) = json.loads(text)["explanations"]
    assert isinstance(only, dict)
    return only


def test_a_service_all_of_whose_packets_come(explain: Run) -> None:
    mark(80, 80)
    mark(443, 80)
    status, text, _ = explain("80")
    assert status == 0
    title, *_ = text.splitlines()
    assert title == "fwmark 80 inet  keepalived.conf:8"
    assert "declared at keepalived.conf:9" in text
    assert "prerouting -150  mangle PREROUTING rule 2  mark 0 → 80" in text
    assert "comes to IPVS with mark 80: virtual_server fwmark 80, keepalived.conf:8" in text
    assert "\x1b" not in text, "no colour in a pipe"


def test_the_trouble_of_a_service_stands_on_the_first_lines(explain: Run) -> None:
    mark(80, 80)
    mark(443, 80)
    iptables("-A INPUT -p tcp --dport 443 -j DROP")
    status, text, _ = explain("80")
    assert status == 2
    assert text.splitlines()[1:3] == [
        "  192.0.2.10 tcp 443  dropped by filter INPUT rule 1: IPVS does not see it",
        "  192.0.2.10 tcp 80   comes to IPVS with mark 80:"
        " virtual_server fwmark 80, keepalived.conf:8",
    ]
    assert "-p tcp -m tcp --dport 443 -j DROP" in text


def test_an_address_is_explained_where_keepalived_conf_cannot_be_read(
    explain: Run, tmp_path: Path
) -> None:
    mark(80, 80)
    assert answer(explain, "192.0.2.10 tcp 80")["services_known"] is True
    (tmp_path / "keepalived.conf").unlink()
    status, text, _ = explain("192.0.2.10 tcp 80")
    assert status == 0
    assert "keepalived.conf could not be read as a whole" in text
    assert "prerouting -150  mangle PREROUTING rule 1  mark 0 → 80" in text
    assert "comes to IPVS with mark 80 (0x50), which no known service of its family has" in text
    assert answer(explain, "192.0.2.10 tcp 80")["services_known"] is False
    status, _, complaint = explain("80")
    assert status == 1
    assert "keepalived.conf" in complaint


def test_a_service_that_no_rule_marks(explain: Run) -> None:
    status, text, _ = explain("21")
    assert status == 2
    assert "nobody declared its flows, and no packet to keepalived's VIPs" in text


def test_packets_by_what_they_are_like(explain: Run) -> None:
    mark(80, 80)
    status, text, _ = explain("192.0.2.10 tcp 22 from 203.0.113.5 in v0")
    assert status == 0
    assert text.splitlines()[0] == "192.0.2.10 tcp 22 in v0  from 203.0.113.5"
    assert "comes to IPVS without a mark: no service by mark gets it" in text


def test_jumps_that_lead_to_nothing_are_counted_and_not_shown(explain: Run) -> None:
    for words in ("-N A", "-N B", "-A PREROUTING -j A", "-A A -j B", "-A B -p udp -j ACCEPT"):
        iptables(f"-t mangle {words}")
    _, text, _ = explain("192.0.2.10 tcp 22")
    assert "(2 more only lead to chains where no rule is about them)" in text
    assert "-j B" not in text
    (flow,) = answer(explain, "192.0.2.10 tcp 22")["flows"]
    assert [step["rule"]["chain"] for step in flow["parts"][0]["steps"]] == ["PREROUTING", "A"]


def test_native_tables_and_ipsets_are_on_the_way(explain: Run) -> None:
    mark(80, 80)
    tool(
        "nft",
        "-f",
        "-",
        stdin="table inet own {\n map svc { type inet_service : mark; elements = { 80 : 7 }; }\n"
        " chain pre { type filter hook prerouting priority -140;\n"
        "  meta mark set tcp dport map @svc\n }\n}",
    )
    tool("ipset", "create", "bad", "hash:net")
    tool("ipset", "add", "bad", "203.0.113.0/24")
    iptables("-t raw -A PREROUTING -m set --match-set bad src -j DROP")
    _, text, _ = explain("192.0.2.10 tcp 80")
    assert "prerouting -140  inet own pre rule 1       mark 80 → 7  tcp → mark by port" in text
    assert "comes to IPVS with mark 7, which no service of its family has" in text
    _, text, _ = explain("192.0.2.10 tcp 80 from 203.0.113.9")
    assert "dropped by raw PREROUTING rule 1: IPVS does not see it" in text


def test_the_json_is_as_promised(explain: Run) -> None:
    mark(80, 80)
    iptables("-N A")
    iptables("-A INPUT -j A")
    iptables("-A A -p tcp -j ACCEPT")
    status, text, _ = explain("80 --json")
    assert status == 2
    (found,) = json.loads(text)["explanations"]
    head = {key: found[key] for key in ("family", "mark", "origins", "remarks", "unread")}
    assert head == {
        "family": "inet",
        "mark": 80,
        "origins": ["keepalived.conf:8"],
        "remarks": [],
        "unread": [],
    }
    first, second = found["flows"]
    assert {key: first[key] for key in ("packets", "declared", "any_client", "in")} == {
        "packets": "192.0.2.10 tcp 80",
        "declared": "keepalived.conf:9",
        "any_client": True,
        "in": None,
    }
    (part,) = first["parts"]
    steps = part.pop("steps")
    assert part == {
        "packets": "192.0.2.10 tcp 80",
        "interfaces": None,
        "fate": "right",
        "mark": 80,
        "serves": 80,
        "serves_origins": ["keepalived.conf:8"],
        "limited": False,
        "reason": "",
        "hidden_by": None,
    }
    assert steps[0] == {
        "hook": "prerouting",
        "priority": -150,
        "depth": 0,
        "rule": {
            "table": "mangle",
            "chain": "PREROUTING",
            "line": 1,
            "text": "-d 192.0.2.10/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x50/0xffffffff",
            "where": "table mangle, chain PREROUTING",
        },
        "before": 0,
        "after": 80,
        "leads": False,
        "own": False,
    }
    assert [(step["rule"]["chain"], step["depth"], step["leads"]) for step in steps[1:]] == [
        ("INPUT", 0, True),
        ("A", 1, False),
    ]
    assert [part["fate"] for part in second["parts"]] == ["unmarked"]


def test_without_rights_nothing_is_known_and_it_says_why(explain: Run, tmp_path: Path) -> None:
    mark(80, 80)
    for path in (tmp_path, *list(tmp_path.parents)[:3]):
        path.chmod(0o755)
    who = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    status, text, _ = explain("80", *who)
    assert status == 2
    assert "could not be read" in text
    assert "not known: not all that packets meet could be read" in text
    assert "comes to IPVS" not in text


@pytest.mark.parametrize("json_too", ["", " --json"])
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("9", "keepalived uses no mark 9: see lvsmarkd marks"),
        ("foo", 'found "foo", expected a mark, or an address'),
        ("192.0.2.10 tcp 22 frm x", 'found "frm"'),
        ("0", "found 0, expected a mark from 1 to 4294967295"),
    ],
)
def test_what_cannot_be_answered_is_an_error(
    explain: Run, words: str, complaint: str, json_too: str
) -> None:
    status, text, said = explain(words + json_too)
    assert status == 1
    assert complaint in said
    if json_too:
        assert complaint in json.loads(text)["error"]
    else:
        assert text == ""


def test_a_configuration_that_is_not_there_is_an_error(explain: Run, tmp_path: Path) -> None:
    (tmp_path / "keepalived.conf").unlink()
    status, text, said = explain("80")
    assert (status, text) == (1, "")
    assert "keepalived.conf: it is not there" in said


@pytest.mark.usefixtures("host")
def test_the_daemon_answers_by_its_own_files_and_writes_nothing(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.conf.write_text(CONF)
        daemon.settings('[firewall]\nbackend = "iptables"\n')
        daemon.start()
        before = tool("iptables-nft", "-t", "mangle", "-S")
        status, text = daemon.ask("explain", "80")
        assert (status, text.splitlines()[0]) == (0, f"fwmark 80 inet  {daemon.conf}:8")
        assert "LVSMARKD rule 1" in text
        tool("nft", "add", "table", "inet", "late")
        chain = "{ type filter hook input priority 5; policy drop; }"
        tool("nft", "add", "chain", "inet", "late", "c", chain)
        status, text = daemon.ask("explain", "80", "--json")
        (found,) = json.loads(text)["explanations"]
        fates = [part["fate"] for flow in found["flows"] for part in flow["parts"]]
        assert (status, fates) == (2, ["dropped", "dropped"]), "of the rules as they are now"
        assert tool("iptables-nft", "-t", "mangle", "-S") == before
        for words, complaint in (("9", "no mark 9"), ("foo", 'found "foo"')):
            status, text = daemon.ask("explain", words)
            assert (status, complaint in text) == (1, True), text


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_over_firewalld(real_firewalld: RealFirewalld, explain: Run, tmp_path: Path) -> None:
    """Its many chains are walked, and where a zone refuses the port, that is said."""
    (tmp_path / "lvsmarkd.toml").write_text("")
    real_firewalld.cmd(
        "--zone=public",
        "--add-rich-rule=rule family=ipv4 destination address=192.0.2.10"
        " port port=443 protocol=tcp mark set=80",
    )
    real_firewalld.cmd("--zone=public", "--add-port=443/tcp")
    found = answer(explain, "192.0.2.10 tcp 80,443")
    fates = {part["packets"]: part["fate"] for part in found["flows"][0]["parts"]}
    assert fates == {"192.0.2.10 tcp 80": "dropped", "192.0.2.10 tcp 443": "right"}
    _, text, _ = explain("192.0.2.10 tcp 443")
    assert len(text.splitlines()) < 16, "jumps to nothing are left out"
