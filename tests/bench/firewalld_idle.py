"""What the daemon costs while firewalld does nothing, beside the one with the iptables backend."""

import time

from tests.bench.firewalld_bench import firewalld_bench
from tests.bench.ground import fresh, services
from tests.bench.processes import cpu, memory
from tests.harness.daemon import Daemon

SERVICES = 10
IDLE = 20.0
SETTLED = 3.0
RESYNC = 15
"""Seconds: one full check within IDLE, wherever the jitter puts it; the default is one a minute."""


def second_life(daemon: Daemon, backend: str) -> None:
    """Have it find its rules there: after a write it would look again for half a minute."""
    daemon.settings(f'[firewall]\nbackend = "{backend}"\n[daemon]\nresync_seconds = {RESYNC}\n')
    daemon.conf.write_text(services(SERVICES))
    daemon.start()
    time.sleep(2)
    daemon.stop()
    daemon.start()


def main() -> None:
    """Both at the same time, each in a namespace of its own."""
    with firewalld_bench() as bench, Daemon(bench.directory, MALLOC_ARENA_MAX="1") as ours:
        second_life(ours, "firewalld")
        # What runs stays where it was started.
        with Daemon(fresh(), MALLOC_ARENA_MAX="1") as other:
            second_life(other, "iptables")
            time.sleep(SETTLED)
            pids = {
                "lvsmarkd, iptables backend": other.process.pid,
                "lvsmarkd, firewalld backend": ours.process.pid,
                "firewalld, as it is asked": bench.bed.pid(),
            }
            before = {name: cpu(pid) for name, pid in pids.items()}
            time.sleep(IDLE)
            shares = {name: (cpu(pid) - before[name]) / IDLE for name, pid in pids.items()}
            base = max(next(iter(shares.values())), 1e-9)
            print(f"\nidle, {SERVICES} services, {IDLE:.0f} s with one full check in them")
            for name, share in shares.items():
                print(
                    f"{name:<40} {100 * share:7.3f} % of a core {share / base:7.2f} x"
                    f"   RSS {memory(pids[name]):6.1f} MiB",
                    flush=True,
                )
            other.stop()
        ours.stop()


if __name__ == "__main__":
    main()
