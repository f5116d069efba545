"""The first load of many rules into a firewalld that has none of them, in force and for good."""

import time
from collections.abc import Callable, Sequence

from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.watch.nftables import firewalld_tables
from tests.bench.ansible import MISSING, Ansible, installed
from tests.bench.firewalld_bench import ZONE, FirewalldBench, firewalld_bench, settings, typed
from tests.bench.ground import address, services, timed
from tests.bench.transactions import transactions
from tests.harness.daemon import Daemon, until

LOADS = (
    ("nftables", "policy", 100),
    ("nftables", "zone", 100),
    ("nftables", "policy", 1000),
    ("nftables", "zone", 1000),
    ("iptables", "policy", 100),
)
"""Firewalld's backend, the placement, rules."""
SAMPLE = 3
"""Rules that stand for all of a loop: so many with none there, and again with all there."""


def ours(backend: str, placement: str, size: int) -> float:
    """Seconds from the daemon's start, its interpreter's too, to all in the kernel and saved."""
    holder = {"policy": POLICY, "zone": ZONE}[placement]
    with (
        firewalld_bench(backend) as bench,
        Daemon(bench.directory) as daemon,
        transactions(firewalld_tables) as heard,
    ):
        daemon.settings(settings(placement))
        daemon.conf.write_text(services(size, ports="80"))
        start = time.perf_counter()
        daemon.start(ready=False)
        _, last = heard.until(lambda: len(bench.marked(holder)) == size)
        if bench.saved(holder) < size:
            until(lambda: bench.saved(holder) == size, "all saved", 60)
            last = time.perf_counter()
        return last - start


def firewall_cmd(backend: str, placement: str, size: int) -> float:
    """Seconds for a call a rule, for good, and one reload."""
    holder = {"policy": "other", "zone": ZONE}[placement]
    with firewalld_bench(backend) as bench:
        if placement == "policy":
            bench.bed.cmd("--permanent", f"--new-policy={holder}")
            bench.bed.cmd("--permanent", f"--policy={holder}", "--add-ingress-zone=ANY")
            bench.bed.cmd("--permanent", f"--policy={holder}", "--add-egress-zone=HOST")

        def add(some: Sequence[str]) -> None:
            for rule in some:
                typed("--permanent", f"--{placement}={holder}", f"--add-rich-rule={rule}")

        return one_by_one(bench, holder, size, add) + timed(bench.hand.reload)


def playbook(backend: str, size: int) -> float:
    """Seconds for one playbook over all rules, in both planes of the zone."""
    with firewalld_bench(backend) as bench:
        return one_by_one(bench, ZONE, size, Ansible(bench.directory).play)


def one_by_one(
    bench: FirewalldBench, holder: str, size: int, add: Callable[[Sequence[str]], object]
) -> float:
    """What ``add`` would take for so many rules: extrapolated, but for what it takes for none."""
    none = timed(lambda: add(()))
    few = timed(lambda: add(_rules(size, SAMPLE)))
    bench.hand.reload_with(_rules(0, size), holder)
    more = timed(lambda: add(_rules(size, SAMPLE)))
    return none + size * ((few + more) / 2 - none) / SAMPLE


def _rules(first: int, count: int) -> list[str]:
    return [
        f'rule family="ipv4" destination address="{address(n)}" port port="80" protocol="tcp"'
        f" mark set={n + 1}"
        for n in range(first, first + count)
    ]


def main() -> None:
    """All loads."""
    print(f"\nfirst load of firewalld, from nothing; *: from 2 x {SAMPLE} of the rules{'s':>17}")
    for backend, placement, size in LOADS:
        title = f"{backend}, {size} rules in a {placement}"
        base = firewall_cmd(backend, placement, size)
        _say(f"{title}: firewall-cmd a rule, reload *", base, base)
        if placement == "zone":
            name = f"{title}: ansible.posix.firewalld *"
            if installed():
                _say(name, playbook(backend, size), base)
            else:
                print(f"{name:<64} {MISSING}", flush=True)
        _say(f"{title}: lvsmarkd, from its start", ours(backend, placement, size), base)


def _say(name: str, seconds: float, base: float) -> None:
    print(f"{name:<64} {seconds:11.2f} {seconds / base:9.3f} x", flush=True)


if __name__ == "__main__":
    main()
