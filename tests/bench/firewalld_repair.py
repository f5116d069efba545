"""From what somebody did to our rules in firewalld to packets marked again, by the kernel's
events.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from lvsmarkd.backends.firewalld.names import POLICY
from lvsmarkd.watch.nftables import firewalld_tables
from tests.bench.firewalld_bench import FirewalldBench, firewalld_bench, settings, typed
from tests.bench.ground import address, line, services
from tests.bench.transactions import Transactions, transactions
from tests.harness.daemon import Daemon, until

RUNS = {"nftables": 10, "iptables": 4}
"""Of each act, by firewalld's backend."""
LIVES = 2
"""Repairs of one rule by one daemon: at the third, it would take it for a fight."""
PAUSE = 0.2
"""Seconds between a repair and the next act."""


@dataclass(frozen=True, slots=True)
class Act:
    """Times what is done to firewalld until all its rules are in force and saved."""

    bench: FirewalldBench
    heard: Transactions
    services: int

    def whole(self) -> bool:
        """Whether packets of all services are marked."""
        return {address(n) for n in range(self.services)} <= set(self.bench.marked())

    def repaired(self, act: Callable[[], object]) -> float:
        """From the first sign of it in the kernel to the last of the repair."""
        self._pause()
        act()
        first, last = self.heard.until(self.whole)
        return last - first

    def done(self, act: Callable[[], object]) -> float:
        """From when it is begun."""
        self._pause()
        start = time.perf_counter()
        act()
        return self.heard.until(self.whole)[1] - start

    def _pause(self) -> None:
        until(lambda: self.bench.saved() == self.services, "all saved", 30)
        time.sleep(PAUSE)
        self.heard.clear()


def play(backend: str) -> None:
    """One of firewalld's backends."""
    runs = RUNS[backend]
    with firewalld_bench(backend) as bench, transactions(firewalld_tables) as heard:
        hand = bench.hand
        act = Act(bench, heard, 3 * runs)
        with Daemon(bench.directory) as daemon:
            daemon.settings(settings())
            daemon.conf.write_text(services(act.services, ports="80"))
            daemon.start()
            until(act.whole, "all rules", 30)
            time.sleep(2)
            numbers = iter(range(act.services))

            def remove() -> None:
                hand.remove(hand.rule_of(next(numbers)))

            def forget() -> None:
                gone = hand.rule_of(next(numbers))
                hand.reload_with([rule for rule in hand.rules() if rule != gone])

            removed = [act.repaired(remove) for _ in range(runs)]
            deleted = [
                act.repaired(lambda: bench.delete_in_kernel(next(numbers))) for _ in range(runs)
            ]
            unsaved = [act.repaired(forget) for _ in range(runs)]
            emptied: list[float] = []
            while len(emptied) < runs:
                daemon.stop()
                daemon.start()
                emptied += [act.repaired(lambda: hand.reload_with([])) for _ in range(LIVES)]
            daemon.stop()
        reloads = [act.done(hand.reload) for _ in range(runs)]
        added = []
        for rule in hand.rules()[:runs]:
            hand.remove(rule)
            add = f"--add-rich-rule={rule}"
            added.append(act.done(lambda add=add: typed(f"--policy={POLICY}", add)))  # type: ignore[misc] # bound early
    base = median(added)
    title = f"firewalld's {backend} backend, {act.services} rules, {runs} runs each"
    print(f"\n{title:<58} median ms  worst ms")
    for name, values in (
        ("firewall-cmd --add-rich-rule, by hand (the baseline)", added),
        ("a reload by hand, nothing to repair", reloads),
        ("removed at runtime (D-Bus) -> back", removed),
        ("deleted in the kernel -> back, by a reload", deleted),
        ("one rule not permanent, reloaded -> back", unsaved),
        ("the permanent policy emptied, reloaded -> all back", emptied),
    ):
        print(line(name, values, base), flush=True)


def main() -> None:
    """Both of firewalld's backends."""
    for backend in RUNS:
        play(backend)
