"""The main job with iptables: services, repairs, findings, the journal, the metrics."""

import subprocess
import time

from demo.stage import Stage, run, until
from demo.telling import CLI, act, arrives, done, heard, repaired, show

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
    lb_kind DR
    real_server 198.51.100.1 80 { weight 1 }
}
virtual_server fwmark 80 {                     # the same over IPv6
    lb_kind DR
    real_server 2001:db8:1::1 80 { weight 1 }
}
virtual_server fwmark 21 {                     # FTP, passive only (active: 20, too)
    # lvsmarkd: to 192.0.2.11 tcp 21,10000-20000
    lb_kind DR
    real_server 198.51.100.1 21 { weight 1 }
}
virtual_server fwmark 25 {                     # nobody said what this one is
    lb_kind DR
    real_server 198.51.100.1 25 { weight 1 }
}
"""
FLUSHES = "for i in $(seq 20); do iptables -w 5 -t mangle -F; sleep 0.05; done"
SAVE = "iptables-save -t mangle"


def _saved(*rules: str) -> bool:
    """Whether all these are in the kernel."""
    listing = run(*SAVE.split())
    return all(rule in listing for rule in rules)


def play(stage: Stage) -> None:
    """All acts."""
    act("keepalived.conf, with one comment per service")
    stage.config.write_text(CONFIGURATION)
    print(CONFIGURATION, end="")

    act("before: nothing marks these packets")
    stage.build()
    stage.send("192.0.2.10", 80, 443)
    print(f"    packets seen: {stage.arrived()}")
    show(f"{CLI} marks --keepalived-conf {stage.config}")

    act("the daemon starts; READY after its first pass")
    start = time.monotonic()
    stage.start()
    print(f"    ready after {1000 * (time.monotonic() - start):.0f} ms")
    heard(stage)
    show(SAVE, "-A")
    show("ip6tables-save -t mangle", "-A")
    arrives(stage, "192.0.2.10", 80, 443)
    arrives(stage, "192.0.2.11", 21, 15000)
    arrives(stage, "2001:db8::10", 443)

    act("somebody deletes a rule")
    web = "-d 192.0.2.10/32 -p tcp -m multiport --dports 80,443"
    ftp = "--dports 21,10000:20000"
    repaired(stage, "iptables -t mangle -D LVSMARKD 1", lambda: _saved(web, ftp))

    act("somebody flushes the whole table")
    jump = "-A PREROUTING -j LVSMARKD"
    repaired(stage, "iptables -t mangle -F", lambda: _saved(jump, web, ftp))
    arrives(stage, "192.0.2.10", 80, 443)

    act("twenty flushes while a client asks: what no rule marks, the guard does")
    flushes = subprocess.Popen(["sh", "-c", FLUSHES])
    while flushes.poll() is None:
        stage.send("192.0.2.10", *[80] * 20)
    until("the repair", lambda: _saved(jump, web, ftp))
    print(f"    client -> 192.0.2.10 (80): {stage.arrived()}")
    heard(stage)
    show(f"{CLI} status", "guard:", "again and again")

    act("somebody adds a rule of their own that undoes ours: said, and left alone")
    match = "PREROUTING -d 192.0.2.10 -p tcp --dport 443 -j MARK --set-mark 128"
    done(stage, f"iptables -t mangle -A {match}")
    show(f"{CLI} explain 192.0.2.10 tcp 443 --keepalived-conf {stage.config}")
    done(stage, f"iptables -t mangle -D {match}")

    act("the undeclared mark gets its comment; saving the file is enough")
    stage.config.write_text(
        CONFIGURATION.replace(
            "{                     # nobody said what this one is",
            "{\n    # lvsmarkd: to 192.0.2.10 tcp 25,587",
        )
    )
    saved = time.monotonic()
    until("the rule", lambda: _saved("--dports 25,587"))
    print(f"    in the kernel {1000 * (time.monotonic() - saved):.0f} ms after the file was saved")
    heard(stage)

    act("what Prometheus sees")
    for line in stage.metrics(
        "lvsmarkd_mark_covered{",
        "lvsmarkd_mark_packets_total{",
        "lvsmarkd_guarded_packets_total{",
        "lvsmarkd_repairs_total{",
        "lvsmarkd_repair_latency_seconds_sum",
        "lvsmarkd_repair_latency_seconds_count",
        "lvsmarkd_reconcile_total{",
    ):
        if not line.startswith("lvsmarkd_re") or not line.endswith(" 0.0"):
            print(f"    {line}")

    act("the daemon stops: its rules stay; only `lvsmarkd purge` removes them")
    stage.stop()
    show(SAVE, "LVSMARKD")
    show(f"{CLI} purge")
    show(SAVE, "LVSMARKD")
