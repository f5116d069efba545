"""The real daemon over the real iptables, both variants: repairs, files, faults."""

import fcntl
import os
import resource
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.harness.control import MAIL, WEB
from tests.harness.daemon import Daemon, until
from tests.harness.netns import run, use_variant

FTP = """\
virtual_server fwmark 21 {
    # lvsmarkd: to 192.0.2.11 tcp 21,10000-20000
    real_server 198.51.100.1 21 { }
}
"""


@pytest.fixture
def daemon(variant: str, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "d").mkdir()
    with Daemon(tmp_path / "d", metrics=10965) as made:
        made.conf.write_text(WEB)
        yield made
        print(made.words())  # noqa: T201 - pytest shows it where a test failed


def rules() -> str:
    return run("iptables-save", "-t", "mangle")


def marked(*marks: int) -> bool:
    """Whether exactly these marks have rules of ours, reached by one jump."""
    listing = rules()
    found = {
        line.split('"lvsmarkd fwmark ')[1].split('"')[0]
        for line in listing.splitlines()
        if "-A LVSMARKD" in line
    }
    jumps = listing.splitlines().count("-A PREROUTING -j LVSMARKD")
    return found == set(map(str, marks)) and jumps == (1 if marks else 0)


def door(directory: Path, variant: str, script: str) -> Path:
    """Put a script before the real iptables-restore; it finds that one as $REAL."""
    name = f"iptables-{variant}-restore"
    real = shutil.which(name, path="/usr/sbin:/sbin")
    path = directory / "bin" / name
    path.write_text(f"#!/bin/bash\nREAL={real}\n{script}\n")
    path.chmod(0o755)
    return path


def test_whatever_somebody_does_to_the_rules_is_mended_and_they_are_named(
    daemon: Daemon, variant: str
) -> None:
    daemon.conf.write_text(WEB + FTP)
    daemon.start()
    assert marked(80, 21)
    for damage in ("-D LVSMARKD 1", "-F", "-D PREROUTING -j LVSMARKD"):
        run("iptables", "-w", "5", "-t", "mangle", *damage.split())
        until(lambda: marked(80, 21), damage, 3)
        time.sleep(0.2)
    if variant == "nft":
        until(lambda: "-t mangle -F" in daemon.words(), "the name of who did it")


def test_foreign_rules_stay_byte_for_byte(daemon: Daemon) -> None:
    foreign = [
        ("-A", "PREROUTING", "-s", "198.51.100.0/24", "-j", "MARK", "--set-xmark", "0x1/0xff"),
        ("-A", "INPUT", "-p", "tcp", "-m", "comment", "--comment", "it's", "-j", "ACCEPT"),
    ]
    for rule in foreign:
        run("iptables", "-w", "5", "-t", "mangle", *rule)
    before = [line for line in rules().splitlines() if line.startswith("-A")]
    daemon.start()
    run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
    until(lambda: marked(80))
    daemon.stop()
    assert marked(80), "the rules stay when the daemon stops"
    assert [x for x in rules().splitlines() if x.startswith("-A") and "LVSMARKD" not in x] == before
    status, _ = daemon.ask("purge", "--config", str(daemon.toml))
    assert status == 0
    assert [x for x in rules().splitlines() if x.startswith("-A")] == before
    assert "LVSMARKD" not in run("iptables-save")


@pytest.mark.parametrize("way", ["in place", "rename", "symlink"])
def test_a_saved_file_takes_effect_however_it_is_saved(
    daemon: Daemon, tmp_path: Path, way: str
) -> None:
    if way == "symlink":
        (tmp_path / "one").write_text(WEB)
        (tmp_path / "two").write_text(WEB + MAIL)
        daemon.conf.unlink()
        daemon.conf.symlink_to(tmp_path / "one")
    daemon.start()
    time.sleep(0.3)
    match way:
        case "in place":
            daemon.conf.write_text(WEB + MAIL)
        case "rename":
            (tmp_path / "new").write_text(WEB + MAIL)
            (tmp_path / "new").replace(daemon.conf)
        case _:
            (tmp_path / "link").symlink_to(tmp_path / "two")
            (tmp_path / "link").replace(daemon.conf)
    until(lambda: marked(80, 25), way, 5)


def test_includes_are_followed_and_a_new_file_that_matches_is_noticed(
    daemon: Daemon, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    daemon.conf.write_text(WEB + f"include {parts}/*.conf\n")
    daemon.start()
    assert marked(80)
    parts.mkdir()
    (parts / "mail.conf").write_text(MAIL)
    until(lambda: marked(80, 25), "a directory that appears later", 5)
    (parts / "mail.conf").write_text(MAIL.replace("tcp 25", "tcp 25,587"))
    until(lambda: "--dports 25,587" in rules(), "an included file", 5)


def test_a_service_that_left_keeps_its_rules_for_the_linger_time(daemon: Daemon) -> None:
    daemon.settings("[daemon]\nlinger_seconds = 1.0\n")
    daemon.conf.write_text(WEB + MAIL)
    daemon.start()
    daemon.conf.write_text(WEB)
    left = time.monotonic()
    until(lambda: marked(80), "the end of the linger time", 6)
    assert time.monotonic() - left >= 1.0


@pytest.mark.parametrize(
    "harm",
    ["missing", "directory", "empty", "half", "binary", "dangling", "fifo"],
)
def test_a_keepalived_conf_that_is_no_more_takes_nothing_away(daemon: Daemon, harm: str) -> None:
    daemon.settings("[daemon]\nlinger_seconds = 0.1\n")
    daemon.conf.write_text(WEB + MAIL)
    daemon.start()
    match harm:
        case "empty":
            daemon.conf.write_text("")
        case "half":
            daemon.conf.write_text(WEB[: len(WEB) // 2])
        case "binary":
            daemon.conf.write_bytes(b"\xff\xfe\x00" * 500)
        case _:
            daemon.conf.unlink()
    match harm:
        case "directory":
            daemon.conf.mkdir()
        case "dangling":
            daemon.conf.symlink_to("/nowhere")
        case "fifo":
            os.mkfifo(daemon.conf)
    until(lambda: str(daemon.conf) in daemon.words(), "a sentence that names the file", 5)
    time.sleep(0.5)
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    until(lambda: marked(80, 25), "the last good state in force", 5)
    if harm == "directory":
        daemon.conf.rmdir()
    else:
        daemon.conf.unlink(missing_ok=True)
    daemon.conf.write_text(WEB)
    until(lambda: marked(80), "recovery without a restart", 5)


def test_text_that_is_not_utf8_is_read_like_any_other(daemon: Daemon) -> None:
    daemon.conf.write_bytes(b"# gr\xfc\xdfe\n" + WEB.encode() + b"# \xff\xfe\n")
    daemon.start()
    assert marked(80)


def test_an_unknown_instance_is_refused_and_the_last_good_flows_stay(daemon: Daemon) -> None:
    daemon.start()
    daemon.conf.write_text(WEB.replace("192.0.2.10", "VI_9") + MAIL)
    until(lambda: "VI_9" in daemon.words(), "the sentence", 5)
    until(lambda: marked(80, 25), "the other service", 5)
    assert "--dports 80,443" in rules()


def test_the_second_daemon_says_so_and_ends_with_1(daemon: Daemon) -> None:
    daemon.start()
    status, text = daemon.ask("run", "--config", str(daemon.toml))
    assert status == 1
    assert f"pid {daemon.process.pid}" in text
    assert "Traceback" not in text
    assert daemon.process.poll() is None


def test_a_taken_port_is_said_and_got_later(daemon: Daemon) -> None:
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", 10965))
        thief.listen()
        daemon.start()
        assert marked(80)
        assert "127.0.0.1:10965" in daemon.words()
    until(lambda: _answers(daemon), "the port, once it is free", 70)


def _answers(daemon: Daemon) -> bool:
    time.sleep(0.2)
    try:
        return "lvsmarkd_build_info" in daemon.page()
    except OSError:
        return False


def test_kill_9_in_the_middle_of_a_write_and_a_start_again(
    daemon: Daemon, variant: str, tmp_path: Path
) -> None:
    flag = tmp_path / "writing"
    script = door(tmp_path, variant, f'touch {flag}; sleep 1; exec $REAL "$@"')
    daemon.start(ready=False)
    until(flag.exists, "the write")
    daemon.process.kill()
    daemon.process.wait()
    script.unlink()
    script.symlink_to(f"/usr/sbin/iptables-{variant}-restore")
    daemon.start()
    time.sleep(1.5)  # what was left of the first write has come by now
    until(lambda: marked(80))
    assert rules().count("lvsmarkd fwmark 80") == 1


def test_a_restore_that_is_killed_midway_is_tried_again(
    daemon: Daemon, variant: str, tmp_path: Path
) -> None:
    flag = tmp_path / "killed"
    door(tmp_path, variant, f'[ -e {flag} ] && exec $REAL "$@"\ntouch {flag}; kill -9 $$')
    daemon.start()
    assert "was killed by signal 9" in daemon.words()
    until(lambda: marked(80), "the second try", 5)


def test_iptables_that_is_missing_is_said_and_found_later(
    daemon: Daemon, variant: str, tmp_path: Path
) -> None:
    """The programs are hidden from the daemon by an empty directory mounted over them."""
    for name in ("iptables", "iptables-nft", "iptables-legacy"):
        (tmp_path / "bin" / name).unlink(missing_ok=True)
    sbin = Path("/usr/sbin").resolve()
    kept = tmp_path / "sbin"
    kept.mkdir()
    run("mount", "--bind", str(sbin), str(kept))
    run("mount", "-t", "tmpfs", "tmpfs", str(sbin))
    try:
        daemon.start()
        assert "iptables was not found" in daemon.words()
        assert daemon.process.poll() is None
    finally:
        run("umount", str(sbin))
    use_variant(tmp_path / "bin", variant)
    assert daemon.ask("apply")[0] == 0
    assert marked(80)


def test_a_held_lock_is_waited_for_with_patience(daemon: Daemon, variant: str) -> None:
    """The legacy variant takes the lock; the other ignores it (measured)."""
    with Path("/run/xtables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        daemon.start()
        if variant == "legacy":
            assert "xtables lock" in daemon.words()
            assert not marked(80)
            assert "Traceback" not in daemon.words()
    until(lambda: marked(80), "the write, once the lock is free", 15)


def test_ten_thousand_foreign_rules_of_docker_and_kube_proxy_are_neither_slow_nor_touched(
    daemon: Daemon,
) -> None:
    lines = ["*mangle", ":KUBE-KUBELET-CANARY - [0:0]", "COMMIT", "*filter"]
    lines += [":DOCKER-USER - [0:0]", ":DOCKER - [0:0]", ":KUBE-SERVICES - [0:0]"]
    lines += ["-A INPUT -m conntrack --ctstate NEW -j KUBE-SERVICES", "-A FORWARD -j DOCKER-USER"]
    lines += [
        f"-A KUBE-SERVICES -d 10.96.{n >> 8}.{n & 255}/32 -p tcp -m comment --comment"
        f' "ns/svc-{n}:https has no endpoints" -m tcp --dport 443 -j REJECT'
        for n in range(9000)
    ]
    lines += [
        f"-A DOCKER -d 172.17.{n >> 8}.{n & 255}/32 ! -i docker0 -o docker0 -p tcp -m tcp"
        f" --dport 80 -j ACCEPT"
        for n in range(1000)
    ]
    run("iptables-restore", "--noflush", stdin="\n".join([*lines, "COMMIT", ""]))
    before = [x for x in run("iptables-save", "-t", "filter").splitlines() if x.startswith("-A")]
    daemon.start()
    assert marked(80)
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    until(lambda: marked(80), "the repair", 5)
    daemon.stop()
    after = [x for x in run("iptables-save", "-t", "filter").splitlines() if x.startswith("-A")]
    assert after == before


def test_a_fight_is_noticed_and_the_other_is_named(daemon: Daemon, variant: str) -> None:
    daemon.start()
    time.sleep(0.3)
    for _ in range(7):
        run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
        until(lambda: marked(80), "a repair, each time", 2)
        time.sleep(0.3)
    [fight] = daemon.status()["fights"]
    assert fight["repairs"] == 7
    if variant == "nft":
        assert "-F LVSMARKD" in fight["actors"][0]
    assert "lvsmarkd_fight_active 1.0" in daemon.page()
    assert daemon.words().count("undoes our work again and again") == 1


def test_a_storm_of_flushes_never_puts_a_repair_off_for_more_than_a_second(daemon: Daemon) -> None:
    daemon.settings("[daemon]\ncpu_percent = 1\n")
    daemon.start()
    time.sleep(0.3)
    for _ in range(40):  # the budget of a minute is spent
        run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
        until(lambda: marked(80), "a repair", 3)


def test_a_look_that_failed_is_repeated_soon(daemon: Daemon, variant: str, tmp_path: Path) -> None:
    name = f"iptables-{variant}-save"
    blind = tmp_path / "blind"
    script = tmp_path / "bin" / name
    script.write_text(f'#!/bin/sh\n[ -e {blind} ] && exit 1\nexec /usr/sbin/{name} "$@"\n')
    script.chmod(0o755)
    daemon.start()
    time.sleep(0.5)
    blind.touch()
    run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
    until(lambda: "could not be read" in daemon.words(), "a word about it", 5)
    blind.unlink()
    until(lambda: marked(80), "the repair, long before the slow full check", 8)


def test_words_in_any_encoding_do_not_end_it(daemon: Daemon, variant: str, tmp_path: Path) -> None:
    fail = door(tmp_path, variant, "cat >/dev/null; printf '\\377\\376 no\\n' >&2; exit 1")
    daemon.start()
    assert "Traceback" not in daemon.words()
    fail.unlink()
    until(lambda: marked(80), "recovery", 10)


def test_a_comment_that_is_nearly_a_declaration_unmarks_nothing(daemon: Daemon) -> None:
    daemon.settings("[daemon]\nlinger_seconds = 0.1\n")
    daemon.start()
    daemon.conf.write_text(WEB.replace("lvsmarkd:", "lvsmarkd"))
    until(lambda: 'begins with "lvsmarkd:"' in daemon.words(), "what is wrong with it", 5)
    time.sleep(0.5)
    assert marked(80)
    assert 'lvsmarkd_mark_covered{family="inet",mark="80"} 1.0' in daemon.page()


def test_a_declaration_that_nothing_uses_takes_no_packet_from_a_service(daemon: Daemon) -> None:
    daemon.conf.write_text(WEB + "# lvsmarkd: fwmark 99 to 192.0.2.10 tcp 80\n")
    daemon.start()
    assert marked(80)
    assert "dports 80,443" in rules()
    assert 'lvsmarkd_mark_covered{family="inet",mark="80"} 1.0' in daemon.page()


def test_a_refused_declaration_at_the_start_is_no_alarm_while_its_rules_are_there(
    daemon: Daemon,
) -> None:
    daemon.start()
    assert marked(80)
    daemon.stop()
    daemon.conf.write_text(WEB.replace("80,443", "80,99999"))
    daemon.start()
    assert marked(80)
    assert 'lvsmarkd_mark_covered{family="inet",mark="80"} 1.0' in daemon.page()
    assert "no rule sets it" not in daemon.words()


def test_another_position_is_nobodys_doing(daemon: Daemon) -> None:
    run("iptables", "-w", "5", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "7")
    daemon.settings('[firewall.iptables]\nposition = "first"\n')
    daemon.start()
    daemon.settings('[firewall.iptables]\nposition = "last"\n')

    def moved() -> bool:
        return "--set-xmark 0x7/0xffffffff\n-A PREROUTING -j LVSMARKD" in rules()

    until(moved, "the jump behind the mark", 5)
    time.sleep(0.2)
    assert "displaced" not in daemon.words()


def test_pause_observe_and_resume(daemon: Daemon) -> None:
    daemon.start()
    status, text = daemon.ask("pause", "--for", "1h")
    assert status == 0, text
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    time.sleep(0.7)
    assert "lvsmarkd" not in rules()
    assert daemon.status()["mode"] == "paused"
    daemon.stop()
    daemon.start()
    assert "lvsmarkd" not in rules(), "a pause outlives a restart"
    assert daemon.ask("resume")[0] == 0
    assert marked(80)
    daemon.settings('[daemon]\nmode = "observe"\n')
    until(lambda: daemon.status()["mode"] == "observe", "the file", 5)
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    until(lambda: not daemon.status()["in_sync"], "the finding", 5)
    assert "lvsmarkd" not in rules()


def test_pause_and_resume_are_done_whatever_is_found_and_status_tells_that(daemon: Daemon) -> None:
    daemon.conf.write_text(WEB + MAIL.replace("# lvsmarkd: to 192.0.2.10 tcp 25", ""))
    daemon.start()
    assert daemon.ask("pause", "--for", "1h")[0] == 0
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    until(lambda: "UNCOVERED (declared" in daemon.ask("status")[1], "the finding", 5)
    status, text = daemon.ask("status")
    assert status == 2
    assert text.startswith("not in sync · paused until ")
    assert "nothing is written: paused until" in text
    assert "fwmark 25 inet: UNCOVERED (not declared" in text
    assert "is not there; not repaired: the mode is paused" in text
    status, text = daemon.ask("resume")
    assert (status, text.startswith("repaired · enforce · ")) == (0, True)
    assert daemon.ask("status")[0] == 2


def test_a_saved_mode_holds_from_the_pass_that_reads_it(daemon: Daemon) -> None:
    daemon.start()
    more = '[[mark]]\nfwmark = 25\nto = ["192.0.2.11"]\nports = ["tcp/25"]\n'
    daemon.conf.write_text(WEB + MAIL.replace("# lvsmarkd: to 192.0.2.10 tcp 25", ""))
    until(lambda: "fwmark 25 inet" in daemon.words(), "the service without a declaration", 5)
    daemon.settings('[daemon]\nmode = "observe"\n' + more)
    until(lambda: "the mode is observe now" in daemon.words(), "the journal on the mode", 5)
    assert not marked(80, 25)
    daemon.settings(more)
    until(lambda: marked(80, 25), "the rule, long before the slow check", 5)


def test_a_pause_that_ends_is_acted_on_at_once(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.ask("pause", "--for", "2s")[0] == 0
    run("iptables", "-w", "5", "-t", "mangle", "-F")
    time.sleep(0.5)
    assert "lvsmarkd" not in rules()
    # Long before the slow full check.
    until(lambda: marked(80), "the rule, once the pause has ended", 10)


def test_reload_tells_systemd_and_reads_all_again(daemon: Daemon) -> None:
    daemon.start()
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.told("RELOADING=1"), "RELOADING", 5)
    until(lambda: _times(daemon, "READY=1") == 2, "READY again", 5)
    assert daemon.stop() == 0
    assert any("STOPPING=1" in message for message in daemon.said)
    assert any("STATUS=" in message for message in daemon.said)


def _times(daemon: Daemon, text: str) -> int:
    daemon.told(text)
    return sum(text in message for message in daemon.said)


def test_bad_settings_at_the_start_end_it_with_a_sentence(daemon: Daemon) -> None:
    daemon.settings('[daemon]\nmode = "sometimes"\n')
    daemon.start(ready=False)
    assert daemon.process.wait(10) == 1
    assert "daemon.mode" in daemon.words()
    assert "Traceback" not in daemon.words()
    assert "LVSMARKD" not in rules()


def test_a_rule_that_hides_the_answer_leaves_no_last_value(daemon: Daemon) -> None:
    daemon.start()
    covered = 'lvsmarkd_mark_covered{family="inet",mark="80"}'
    unknown = 'lvsmarkd_mark_unknown{family="inet",mark="80"}'
    until(lambda: f"{covered} 1.0" in daemon.page(), "a service that is covered", 5)
    assert f"{unknown} 0.0" in daemon.page()
    hiding = ["PREROUTING", "-m", "time", "--timestart", "10:00", "-j", "MARK", "--set-mark", "9"]
    run("iptables", "-w", "5", "-t", "mangle", "-A", *hiding)
    until(lambda: f"{unknown} 1.0" in daemon.page(), "that it is not known", 8)
    assert covered not in daemon.page()
    [state] = daemon.status()["services"]
    assert state["covered"] is None
    assert "--timestart 10:00" in state["unknown_because"]
    run("iptables", "-w", "5", "-t", "mangle", "-D", *hiding)
    until(lambda: f"{covered} 1.0" in daemon.page(), "that it is known again", 8)
    assert f"{unknown} 0.0" in daemon.page()


def test_metrics_and_health(daemon: Daemon) -> None:
    daemon.conf.write_text(WEB + "virtual_server fwmark 7 {\n real_server 198.51.100.1 7 { }\n}\n")
    daemon.start()
    until(lambda: _answers(daemon), "the server", 5)
    page = daemon.page()
    assert 'lvsmarkd_mark_covered{family="inet",mark="80"} 1.0' in page
    assert 'lvsmarkd_mark_covered{family="inet",mark="7"} 0.0' in page
    assert daemon.page("/healthz").startswith("ok")


def test_a_storm_of_signals_over_a_hundred_includes_harms_no_pass(
    daemon: Daemon, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for n in range(100):
        (parts / f"{n}.conf").write_text(f"! part {n}\n")
    (parts / "mail.conf").write_text(MAIL)
    daemon.conf.write_text(WEB + f"include {parts}/*.conf\n")
    daemon.start()
    chance = Random(11)  # noqa: S311 - the same every time
    for n in range(1000):
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(chance.uniform(0, 0.03))
        assert daemon.process.poll() is None, n
    until(lambda: "READY=1" in daemon.said[-1], "READY as the last word", 30)
    last = max(n for n, message in enumerate(daemon.said) if "RELOADING=1" in message)
    assert any("READY=1" in message for message in daemon.said[last:])
    words = daemon.words()
    assert "a pass failed" not in words
    assert "Traceback" not in words
    page = daemon.page()
    assert "lvsmarkd_reconcile_crashes_total 0.0" in page
    assert "lvsmarkd_config_last_reload_successful 1.0" in page
    status = daemon.status()
    assert (status["error"], status["in_sync"]) == ("", True)
    assert marked(80, 25)


def test_without_descriptors_it_waits_longer_and_longer_and_goes_on_when_there_are_some(
    daemon: Daemon,
) -> None:
    daemon.start()
    until(lambda: marked(80))
    time.sleep(1.5)  # past the first look again
    before = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    fds = {int(fd.name) for fd in Path(f"/proc/{daemon.process.pid}/fd").iterdir()}
    first_free = min(set(range(len(fds) + 1)) - fds)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (first_free, before[1]))
    run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
    time.sleep(8)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, before)
    until(lambda: marked(80), "recovery", 15)
    assert "Traceback" not in daemon.words()
    assert "bug" not in daemon.words()
    assert "LimitNOFILE=" in daemon.words()
    failed = sum(
        float(line.rsplit(" ", 1)[1])
        for line in daemon.page().splitlines()
        if line.startswith("lvsmarkd_reconcile_total") and 'result="error"' in line
    )
    assert 1 <= failed <= 20


def test_a_runtime_directory_that_is_removed_comes_back_with_the_pause_and_the_lock(
    daemon: Daemon,
) -> None:
    daemon.start()
    daemon.ask("pause", "--for", "1h")
    shutil.rmtree(daemon.directory / "run")
    until((daemon.directory / "run" / "control.sock").exists, "the socket")
    assert daemon.status()["mode"] == "paused"
    assert (daemon.directory / "run" / "pause.json").exists()
    status, text = daemon.ask("run", "--config", str(daemon.toml))
    assert status == 1
    assert "another lvsmarkd is at work" in text
    daemon.ask("resume")
    run("iptables", "-w", "5", "-t", "mangle", "-F", "LVSMARKD")
    until(lambda: marked(80), "a repair")
    assert daemon.stop() == 0
