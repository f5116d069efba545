"""The play: what an operator would see, with the commands that show it."""

import subprocess
import sys
import time

from demo.stage import Stage, StageError, run, until

CONFIGURATION = """\
vrrp_instance VI_1 {
    interface vip0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.10
    }
    virtual_ipaddress_excluded {               # an IPv4 instance takes IPv6 addresses only here
        2001:db8::10
    }
}
virtual_server fwmark 80 {                     # HTTP and HTTPS, one service
    # lvsmarkd: to VI_1 tcp 80,443
    lb_algo rr
    real_server 198.51.100.1 80 { weight 1 }
}
virtual_server fwmark 80 {                     # the same over IPv6
    real_server 2001:db8:1::1 80 { weight 1 }
}
virtual_server fwmark 21 {                     # FTP with its passive range
    # lvsmarkd: to 192.0.2.11 tcp 21,10000-20000
    real_server 198.51.100.1 21 { weight 1 }
}
virtual_server fwmark 25 {                     # nobody said what this one is
    real_server 198.51.100.1 25 { weight 1 }
}
"""
SAVE = "iptables-save -t mangle"
COLOURS = sys.stdout.isatty()


def act(title: str) -> None:
    """One act begins."""
    print(f"\n\x1b[1m── {title}\x1b[0m" if COLOURS else f"\n-- {title}", flush=True)


def show(command: str, *wanted: str) -> None:
    """Run a command and print it with what it says; of a long answer, the wanted lines."""
    print(f"$ {command}")
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=30, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        if not wanted or any(word in line for word in wanted):
            print(f"    {line}")


def repaired(stage: Stage, command: str, *present: str) -> None:
    """Somebody does something; show how long the rules were away and what the journal says."""
    print(f"# {command}")
    run("sh", "-c", command)
    done = time.monotonic()

    def back() -> bool:
        rules = run(*SAVE.split())
        return all(rule in rules for rule in present)

    until("the repair", back)
    print(
        f"    back in the kernel {1000 * (time.monotonic() - done):.0f} ms after the command ended"
    )
    print("    (the journal counts on, to a second look that verified the repair)")
    until("the journal", lambda: len(stage.log.read_text().splitlines()) > stage.shown)
    time.sleep(0.3)
    for line in stage.journal():
        print(f"    journal: {line}")


def play(stage: Stage) -> None:
    """All acts."""
    cli = f"{sys.executable} -m lvsmarkd"
    act("keepalived.conf, with one comment per service")
    stage.config.write_text(CONFIGURATION)
    print(CONFIGURATION, end="")

    act("before: nothing marks these packets")
    stage.build()
    stage.send("192.0.2.10", 80, 443)
    print(f"    packets seen: {stage.arrived()}")
    show(f"{cli} marks --keepalived-conf {stage.config}")

    act("the daemon starts; READY after its first pass")
    start = time.monotonic()
    stage.start()
    print(f"    ready after {1000 * (time.monotonic() - start):.0f} ms")
    for line in stage.journal():
        print(f"    journal: {line}")
    show(SAVE, "-A")
    show("ip6tables-save -t mangle", "-A")
    for address, ports in (
        ("192.0.2.10", (80, 443)),
        ("192.0.2.11", (21, 15000)),
        ("2001:db8::10", (443,)),
    ):
        stage.send(address, *ports)
        print(f"    client -> {address} {ports}: {stage.arrived()}")

    act("somebody deletes a rule")
    web = "-d 192.0.2.10/32 -p tcp -m multiport --dports 80,443"
    ftp = "--dports 21,10000:20000"
    repaired(stage, "iptables -t mangle -D LVSMARKD 1", web, ftp)

    act("somebody flushes the whole table")
    repaired(stage, "iptables -t mangle -F", "-A PREROUTING -j LVSMARKD", web, ftp)
    stage.send("192.0.2.10", 80, 443)
    print(f"    client -> 192.0.2.10 (80, 443): {stage.arrived()}")

    act("somebody adds a rule of their own that undoes ours: said, and left alone")
    rule = (
        "iptables -t mangle -A PREROUTING -d 192.0.2.10 -p tcp --dport 443 -j MARK --set-mark 128"
    )
    print(f"# {rule}")
    run(*rule.split())
    until("the journal", lambda: len(stage.log.read_text().splitlines()) > stage.shown)
    for line in stage.journal():
        print(f"    journal: {line}")
    show(SAVE, "-A PREROUTING")
    run(*rule.replace("-A PREROUTING", "-D PREROUTING").split())
    print("# …and takes it away again")
    until("the journal", lambda: len(stage.log.read_text().splitlines()) > stage.shown)
    time.sleep(0.3)
    for line in stage.journal():
        print(f"    journal: {line}")

    act("the undeclared mark gets its comment; saving the file is enough")
    stage.config.write_text(
        CONFIGURATION.replace(
            "{                     # nobody said what this one is",
            "{\n    # lvsmarkd: to 192.0.2.10 tcp 25,587",
        )
    )
    done = time.monotonic()
    until("the rule", lambda: "--dports 25,587" in run(*SAVE.split()))
    print(f"    in the kernel {1000 * (time.monotonic() - done):.0f} ms after the file was saved")
    time.sleep(0.3)
    for line in stage.journal():
        print(f"    journal: {line}")

    act("what Prometheus sees")
    for line in stage.metrics(
        "lvsmarkd_mark_covered{",
        "lvsmarkd_mark_packets_total{",
        "lvsmarkd_repairs_total{",
        "lvsmarkd_repair_latency_seconds_sum",
        "lvsmarkd_repair_latency_seconds_count",
        "lvsmarkd_reconcile_total{",
    ):
        if not line.startswith("lvsmarkd_re") or not line.endswith(" 0.0"):
            print(f"    {line}")

    act("the daemon stops: its rules stay; only `lvsmarkd purge` removes them")
    assert stage.daemon is not None
    stage.daemon.terminate()
    stage.daemon.wait(15)
    show(SAVE, "LVSMARKD")
    show(f"{cli} purge")
    show(SAVE, "LVSMARKD")


def main() -> int:
    """Play, and leave nothing behind."""
    try:
        stage = Stage()
    except StageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    try:
        play(stage)
    except StageError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        if stage.log.exists():
            print(stage.log.read_text(), file=sys.stderr)
        return 1
    finally:
        stage.close()
    print("\nThat was all in a private network namespace; nothing of this machine was touched.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
