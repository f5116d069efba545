"""How many packets lose their mark while others undo the rules: nobody at work, the daemon without
a guard, the daemon with it; side by side, at 10,000 packets a second.

GAP_TIMES=20 does each event so often.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.ground import fresh
from tests.bench.traffic import PORT, served, vip
from tests.harness.daemon import Daemon, until
from tests.harness.gap import Gap, Passed, gap
from tests.harness.netns import run

RATE = 10_000
TIMES = int(os.environ.get("GAP_TIMES", "20"))
PAUSE = 0.15
"""Seconds between two events: the rules are back by then, where somebody puts them back."""
_RULE = f"-A PREROUTING -d {vip(1)} -p udp --dport {PORT} -j MARK --set-mark 1"


@dataclass
class Scene:
    """One keeper of the rule; without a daemon they were made by hand."""

    daemon: Daemon | None
    saved: str = ""

    def by_hand(self) -> None:
        """Where nobody puts it back, it is there before each event."""
        if self.daemon is None:
            run("iptables", "-t", "mangle", "-F")
            run("iptables", "-t", "mangle", *_RULE.split())


def flush_nftables(_scene: Scene) -> None:
    """As a service that loads its own rules begins."""
    run("nft", "flush", "ruleset")


def flush_mangle(_scene: Scene) -> None:
    """By hand."""
    run("iptables", "-w", "5", "-t", "mangle", "-F")


def restore(scene: Scene) -> None:
    """A dump from before there was any rule of ours."""
    run("iptables-restore", stdin=scene.saved)


def kill(scene: Scene) -> None:
    """Without warning; and it starts again."""
    if scene.daemon is not None:
        scene.daemon.stop(signal.SIGKILL)
        scene.daemon.start()


def kill_and_flush(scene: Scene) -> None:
    """All that is in nf_tables goes while nobody is there to put it back."""
    if scene.daemon is not None:
        scene.daemon.stop(signal.SIGKILL)
    flush_nftables(scene)
    if scene.daemon is not None:
        scene.daemon.start()


def save(scene: Scene) -> None:
    """keepalived.conf, with a service more or less."""
    if scene.daemon is not None:
        text = scene.daemon.conf.read_text()
        scene.daemon.conf.write_text(served(3 - text.count("virtual_server")))


EVENTS: dict[str, Callable[[Scene], None]] = {
    "nft flush ruleset": flush_nftables,
    "iptables -t mangle -F": flush_mangle,
    "an old dump restored": restore,
    "lvsmarkd killed, started": kill,
    "killed, all flushed, started": kill_and_flush,
    "keepalived.conf saved": save,
}
KEEPERS: dict[str, str | None] = {
    "nobody": None,
    "lvsmarkd, guard = false": "[firewall]\nguard = false\n",
    "lvsmarkd": "",
}


@contextmanager
def scene(keeper: str) -> Iterator[Scene]:
    """A fresh namespace with its rules in force."""
    directory = fresh()
    saved = run("iptables-save", "-t", "mangle")
    settings = KEEPERS[keeper]
    if settings is None:
        yield Scene(None, saved)
        return
    path = f"{directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    with Daemon(directory, PATH=path) as daemon:
        daemon.settings(settings)
        daemon.conf.write_text(served(1))
        daemon.start()
        until(lambda: "--set-xmark 0x1/" in run("iptables-save", "-t", "mangle"), "the rule")
        yield Scene(daemon, saved)
        daemon.stop()


def lost(at: Scene, through: Gap, event: Callable[[Scene], None]) -> Passed:
    """What passed during all times of one event."""
    total = Passed()
    for _ in range(TIMES):
        at.by_hand()
        before = through.passed()
        event(at)
        time.sleep(PAUSE)
        seen = through.passed() - before
        total = Passed(total.came + seen.came, total.unmarked + seen.unmarked)
    return total


def main() -> None:
    """All of them."""
    found: dict[str, dict[str, Passed]] = {event: {} for event in EVENTS}
    for keeper in KEEPERS:
        with scene(keeper) as at, gap(RATE) as through:
            for event, do in EVENTS.items():
                found[event][keeper] = lost(at, through, do)
    print(f"\n{TIMES} times each, {RATE:,} packets a second: unmarked of those that came")
    print(f"{'':<32}" + "".join(f"{keeper:>28}" for keeper in KEEPERS))
    for event, row in found.items():
        cells = (f"{each.unmarked:,} of {each.came:,}" for each in row.values())
        print(f"{event:<32}" + "".join(f"{cell:>28}" for cell in cells))


if __name__ == "__main__":
    main()
