"""What others do around our chains, and to our tools, on real iptables."""

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from lvsmarkd.backends.backend import Backend
from lvsmarkd.backends.backup import Backup
from lvsmarkd.backends.choose import choose
from lvsmarkd.backends.iptables.backend import IptablesBackend
from lvsmarkd.backends.iptables.bisect_rejected import bisect_rejected
from lvsmarkd.backends.iptables.toolset import detect
from lvsmarkd.judge.coverage import covered
from lvsmarkd.judge.desired import Desired
from lvsmarkd.judge.drift import History
from lvsmarkd.judge.judgement import judge
from lvsmarkd.model.finding import Kind
from lvsmarkd.model.plan import AddRule, Plan
from lvsmarkd.model.rule import ChainKey, Hook, Plane
from lvsmarkd.model.service import Family
from lvsmarkd.model.snapshot import Chain
from lvsmarkd.netfilter import program
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.netns import run
from tests.harness.values import carry_out, declare, flow, key, want

pytestmark = pytest.mark.netns

OPEN = want(declare(80, flow("192.0.2.10", 80), accept=True), declare(6, flow("2001:db8::6", 6)))
SHUT = want(declare(80, flow("192.0.2.10", 80)), declare(6, flow("2001:db8::6", 6)))
MARKS = ChainKey(Plane.RUNTIME, Family.INET, Hook.PREROUTING)
MARKS6 = ChainKey(Plane.RUNTIME, Family.INET6, Hook.PREROUTING)
ACCEPTS = ChainKey(Plane.RUNTIME, Family.INET, Hook.INPUT)
OURS = History(ours=lambda _spot: True)


@pytest.fixture
def backend(variant: str, tmp_path: Path) -> IptablesBackend:
    return IptablesBackend(detect(), Backup(tmp_path / "state" / "backup"))


def converge(backend: IptablesBackend, wanted: Desired) -> Plan:
    carry_out(backend, judge(wanted, backend.read(), history=OURS))
    return judge(wanted, backend.read(), history=OURS)


def chain_at(backend: IptablesBackend, chain_key: ChainKey) -> Chain:
    chain = backend.read().chains[chain_key]
    assert isinstance(chain, Chain), chain
    return chain


def lines(chain: str, table: str = "mangle") -> list[str]:
    listing = run("iptables-save", "-t", table).splitlines()
    return [line for line in listing if line.startswith(f"-A {chain} ")]


@pytest.mark.parametrize("harm", [["-F"], ["-A", "LVSMARKD", "-p", "udp", "-j", "RETURN"]])
def test_a_chain_that_cannot_be_deleted_keeps_nothing_in_force_and_hinders_nothing(
    backend: IptablesBackend, harm: list[str]
) -> None:
    assert converge(backend, OPEN).steps == ()
    run("iptables", "-w", "5", "-N", "THEIRS")
    run("iptables", "-w", "5", "-A", "THEIRS", "-j", "LVSMARKD")
    run("iptables", "-w", "5", "-t", "mangle", *harm)
    run("ip6tables", "-w", "5", "-t", "mangle", "-F")

    assert converge(backend, SHUT).steps == ()

    assert chain_at(backend, ACCEPTS) == Chain(exists=True)
    assert len(chain_at(backend, MARKS).rules) == 1
    assert len(chain_at(backend, MARKS6).rules) == 1
    assert lines("THEIRS", "filter") == ["-A THEIRS -j LVSMARKD"]

    backend.purge()
    assert chain_at(backend, MARKS) == Chain()
    assert lines("THEIRS", "filter") == ["-A THEIRS -j LVSMARKD"]


def refusing(directory: Path, variant: str, script: str) -> Backend:
    """A backend whose iptables-restore of IPv4 is this script."""
    fail = directory / "bin" / f"iptables-{variant}-restore"
    fail.write_text(f"#!/bin/sh\n{script}")
    fail.chmod(0o755)
    return choose("auto", state_directory=directory / "state")


def test_what_cannot_be_done_in_one_family_is_done_in_the_other(
    backend: IptablesBackend, tmp_path: Path, variant: str
) -> None:
    broken = refusing(tmp_path, variant, "cat >/dev/null; exit 4\n")

    with pytest.raises(FirewallError) as refused:
        carry_out(broken, judge(SHUT, broken.read()))

    assert refused.value.trouble is Trouble.REJECTED
    assert len(chain_at(backend, MARKS6).rules) == 1
    assert chain_at(backend, MARKS) == Chain()


def test_what_one_family_refuses_is_told_where_the_other_fails(
    backend: IptablesBackend, tmp_path: Path
) -> None:
    """IPv4 fails at everything, and of IPv6 one rule is refused."""
    both = backend.toolset.tools
    doors = {
        Family.INET: "cat >/dev/null; exit 4",
        Family.INET6: 'input=$(cat); case $input in *"fwmark 66"*) echo no >&2; exit 1;; esac; '
        f'printf "%s\\n" "$input" | {both[Family.INET6].restore} "$@"',
    }
    for family, script in doors.items():
        door = tmp_path / f"door-{family}"
        door.write_text(f"#!/bin/sh\n{script}\n")
        door.chmod(0o755)
        both[family] = replace(both[family], restore=str(door))
    wish = want(*(declare(m, flow("192.0.2.1", m), flow("2001:db8::1", m)) for m in (65, 66)))
    applied = backend.apply(judge(wish, backend.read()))
    assert [(rule.family, rule.mark) for rule, _ in applied.rejected] == [(Family.INET6, 66)]
    assert applied.error is not None
    assert applied.error.trouble is Trouble.REJECTED
    assert [rule.mark for rule in chain_at(backend, MARKS6).rules] == [65]


def test_a_tool_that_refuses_everything_puts_no_rule_at_fault(variant: str, tmp_path: Path) -> None:
    broken = refusing(tmp_path, variant, "cat >/dev/null; printf '\\377 no\\n' >&2; exit 1\n")
    with pytest.raises(FirewallError) as refused:
        carry_out(broken, judge(SHUT, broken.read()))
    str(refused.value).encode(errors="backslashreplace")
    assert "refused" in str(refused.value)


def test_names_with_quotes_hide_nothing(backend: IptablesBackend) -> None:
    mangle = ["iptables", "-w", "5", "-t", "mangle"]
    run(*mangle, "-A", "PREROUTING", "-i", 'e"0', "-j", "RETURN")
    run(*mangle, "-N", 'Z"Z')
    assert converge(backend, OPEN).steps == ()
    run(*mangle, "-A", 'Z"Z', "-i", 'e"0', "-j", "RETURN")
    assert converge(backend, OPEN).steps == ()
    assert len(lines("LVSMARKD")) == 1


@pytest.mark.parametrize("to", ["0.0.0.0/0", "::/0"])
def test_everywhere_settles(backend: IptablesBackend, to: str) -> None:
    wish = want(declare(80, flow(to, 80), accept=True))
    assert converge(backend, wish).steps == ()
    assert set(covered(wish, backend.read()).values()) == {True}


@pytest.mark.parametrize(
    "rules",
    [
        ["-I PREROUTING 1 -i nope0 -j LVSMARKD", "-I PREROUTING 2 -j ACCEPT"],
        [
            "-N A",
            "-A A -s 198.51.100.4 -j LVSMARKD",
            "-I PREROUTING -j A",
            "-I PREROUTING 2 -j ACCEPT",
        ],
        [
            "-I PREROUTING 1 -p tcp -j MARK --set-xmark 0x10000/0x10000",
            "-I PREROUTING 2 -m mark --mark 0x10000/0x10000 -j ACCEPT",
        ],
        [
            "-I PREROUTING 1 -j CONNMARK --set-mark 5",
            "-I PREROUTING 2 -j CONNMARK --restore-mark",
            "-I PREROUTING 3 -m mark ! --mark 0 -j ACCEPT",
        ],
        ["-I PREROUTING -p tcp --dport 80 -j NFQUEUE --queue-num 3 --queue-bypass"],
    ],
)
def test_whatever_takes_packets_away_before_our_jump_is_overtaken(
    backend: IptablesBackend, rules: list[str]
) -> None:
    assert converge(backend, SHUT).steps == ()
    for rule in rules:
        run("iptables", "-w", "5", "-t", "mangle", *rule.split())
    before = [line for line in lines("PREROUTING") if line != "-A PREROUTING -j LVSMARKD"]

    plan = judge(SHUT, backend.read())
    assert Kind.ALTERED in [finding.kind for finding in plan.findings]
    assert converge(backend, SHUT).steps == ()

    assert lines("PREROUTING")[0] == "-A PREROUTING -j LVSMARKD"
    assert lines("PREROUTING")[1:] == before


@pytest.mark.parametrize(
    "rules",
    [
        ["-I PREROUTING -m conntrack --ctstate ESTABLISHED,UNTRACKED -j ACCEPT"],
        ["-I PREROUTING -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"],
        [
            "-I PREROUTING 1 -j CONNMARK --restore-mark",
            "-I PREROUTING 2 -m mark ! --mark 0 -j ACCEPT",
        ],
    ],
)
def test_what_takes_no_first_packet_away_may_stand_before_our_jump(
    backend: IptablesBackend, rules: list[str]
) -> None:
    """Who puts his rules first again and again (Calico) is not fought where it costs nothing."""
    assert converge(backend, SHUT).steps == ()
    for rule in rules:
        run("iptables", "-w", "5", "-t", "mangle", *rule.split())
    seen = backend.read()
    assert judge(SHUT, seen) == Plan()
    assert covered(SHUT, seen)[key(80)] is True


@pytest.mark.parametrize("condition", ["-m socket", "-m rpfilter", "-m conntrack --ctstate NEW"])
def test_a_rule_like_ours_with_a_condition_more_is_not_taken_for_ours(
    backend: IptablesBackend, condition: str
) -> None:
    assert converge(backend, SHUT).steps == ()
    words = f"-I LVSMARKD -d 192.0.2.10/32 -p tcp --dport 80 {condition} -j MARK --set-mark 80"
    comment = ["-m", "comment", "--comment", "lvsmarkd fwmark 80"]
    run("iptables", "-w", "5", "-t", "mangle", *words.split(), *comment)
    run("iptables", "-w", "5", "-t", "mangle", "-D", "LVSMARKD", "2")

    seen = backend.read()
    assert Kind.MISSING in {f.kind for f in judge(SHUT, seen, history=OURS).findings}
    # First packets of ordinary clients get their mark by it, but where it waits for a socket.
    assert covered(SHUT, seen)[key(80)] is ("socket" not in condition)
    assert converge(backend, SHUT).steps == ()
    assert covered(SHUT, backend.read())[key(80)] is True
    assert len(lines("LVSMARKD")) == 1


def test_a_mark_that_the_filter_changes_at_input_is_a_conflict(backend: IptablesBackend) -> None:
    assert converge(backend, SHUT).steps == ()
    run("iptables", "-w", "5", "-A", "INPUT", "-p", "tcp", "-j", "MARK", "--set-mark", "25")
    found = judge(SHUT, backend.read()).findings
    assert Kind.CONFLICT in [finding.kind for finding in found]
    assert covered(SHUT, backend.read())[key(80)] is False


def test_a_chain_of_that_name_made_by_others_is_neither_emptied_nor_purged(
    backend: IptablesBackend,
) -> None:
    theirs = "-A LVSMARKD -s 10.0.0.1/32 -j MARK --set-xmark 0x5/0xffffffff"
    run("iptables-restore", "--noflush", stdin=f"*mangle\n:LVSMARKD - [0:0]\n{theirs}\nCOMMIT\n")

    carry_out(backend, judge(SHUT, backend.read()))
    backend.purge()

    assert lines("LVSMARKD") == [theirs]
    assert covered(SHUT, backend.read())[key(80)] is False


def test_the_families_are_saved_each(backend: IptablesBackend, tmp_path: Path) -> None:
    saved = tmp_path / "state" / "backup"
    saved.mkdir(parents=True)
    (saved / f"20260101T000000Z-iptables-{backend.toolset.variant}.rules").touch()
    carry_out(backend, judge(SHUT, backend.read()))
    assert len(list(saved.glob("*ip6tables*.rules"))) == 1
    assert len(list(saved.glob("*.rules"))) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sleep 60 & wait", "did not end"),
        ("sleep 60 &", "did not end"),
        ("exec sleep 60", "did not end"),
        ("exec yes", "printed more than"),
    ],
)
def test_a_program_that_never_ends_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    monkeypatch.setattr(program, "MOST_OUTPUT", 1 << 20)
    script = tmp_path / "iptables-save"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/group\n{body}\n")
    script.chmod(0o755)

    with pytest.raises(FirewallError, match=words):
        program.run([str(script)], timeout=0.5)

    group = int((tmp_path / "group").read_text())
    for _ in range(50):
        if not run("ps", "-o", "stat=", "-g", str(group), check=False).replace("Z", "").strip():
            return
        time.sleep(0.1)
    raise AssertionError("something that it started still runs")


def test_while_a_bad_rule_is_looked_for_nothing_in_force_is_taken_away(
    backend: IptablesBackend,
) -> None:
    """A chain with an unknown rule rule is made anew; meanwhile no good rule may be missing."""
    many = want(*(declare(n, flow(f"192.0.2.{n}", n)) for n in range(1, 9)))
    assert converge(backend, many).steps == ()
    run("iptables", "-w", "5", "-t", "mangle", "-A", "LVSMARKD", "-p", "udp", "-j", "RETURN")
    steps = [s for s in judge(many, backend.read()).steps if s.chain_key == MARKS]
    seen: list[int] = []

    def write(some: list[AddRule]) -> None:
        bad = any("192.0.2.3/32" in str(step) for step in some)
        if bad:
            raise FirewallError(Trouble.REJECTED, "the kernel refuses it")
        backend._write(Family.INET, "mangle", some)  # noqa: SLF001 - the transaction itself
        seen.append(len({rule.mark for rule in chain_at(backend, MARKS).rules}))

    [(rule, _)] = bisect_rejected(steps, write).rejected  # type: ignore[arg-type] # of all kinds

    assert rule.mark == 3
    assert min(seen[:-1]) == 8
    assert seen[-1] == 7


@pytest.mark.parametrize(
    "ports", ["--dport 0:80", "--dport :80", "-m multiport --dports 80", "--dport 0:65535"]
)
def test_a_rule_that_somebody_wrote_otherwise_than_we_do_is_removed(
    backend: IptablesBackend, ports: str
) -> None:
    """iptables deletes what reads the same, not what means the same."""
    assert converge(backend, SHUT).steps == ()
    name = ["-m", "comment", "--comment", "lvsmarkd fwmark 9"]
    words = ["-d", "192.0.2.9", "-p", "tcp", *ports.split(), *name, "-j", "MARK"]
    for _ in range(2):
        run("iptables", "-w", "5", "-t", "mangle", "-A", "LVSMARKD", *words, "--set-mark", "9")

    assert converge(backend, SHUT).steps == ()

    assert [line for line in lines("LVSMARKD") if "192.0.2.9" in line] == []
    assert len(lines("LVSMARKD")) == 1
