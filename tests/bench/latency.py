"""From damage, or from a saved file, to rules in the kernel, by the kernel's own events."""

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue

from lvsmarkd.model.wake import Wake
from lvsmarkd.watch.nftables import NftablesEvents
from lvsmarkd.watch.own_writers import OwnWriters
from tests.bench.ground import fresh, line, restore, rule_of, services, timed
from tests.harness.daemon import Daemon
from tests.harness.netns import run as tool

RUNS = 40
SERVICES = 100


class _Quiet:
    def up(self, name: str) -> None: ...
    def down(self, name: str, reason: str) -> None:
        raise RuntimeError(f"{name}: {reason}")

    def overrun(self, name: str) -> None:
        raise RuntimeError(name)


@contextmanager
def transactions() -> Iterator["Queue[tuple[float, str]]"]:
    """Every nf_tables transaction of the namespace: when it was heard of, by which program."""
    heard: Queue[tuple[float, str]] = Queue()

    def wake(event: Wake) -> None:
        heard.put((time.perf_counter(), event.actor.name if event.actor else ""))

    loop = asyncio.new_event_loop()
    source = NftablesEvents(_Quiet(), OwnWriters())
    thread = threading.Thread(target=lambda: loop.run_until_complete(source.run(wake)), daemon=True)
    thread.start()
    time.sleep(0.3)
    yield heard


def _next(heard: "Queue[tuple[float, str]]", name: str) -> float:
    while True:
        at, who = heard.get(timeout=20)
        if who.startswith(name):
            return at


def _clear(heard: "Queue[tuple[float, str]]") -> None:
    try:
        while True:
            heard.get_nowait()
    except Empty:
        pass


def main() -> None:
    """Repair latency and save latency, beside their floors."""
    directory = fresh()
    with Daemon(directory) as daemon, transactions() as heard:
        daemon.conf.write_text(services(SERVICES))
        daemon.start()
        time.sleep(1.5)
        repairs = []
        for number in range(RUNS):
            time.sleep(0.4)
            _clear(heard)
            arguments = ["iptables-nft", "-t", "mangle", "-D", "LVSMARKD", *rule_of(number)]
            subprocess.run(arguments, check=True, timeout=20)
            gone = _next(heard, "iptables")
            repairs.append(_next(heard, "iptables") - gone)
        saves = []
        for number in range(RUNS):
            time.sleep(0.4)
            _clear(heard)
            text = services(SERVICES + number + 1)
            start = time.perf_counter()
            daemon.conf.write_text(text)
            saves.append(_next(heard, "iptables") - start)
        daemon.stop()
        chain = tool("iptables-nft-save", "-t", "mangle")
    mangle = [entry for entry in chain.splitlines() if entry.startswith("-A LVSMARKD")]
    whole = "\n".join(["*mangle", ":LVSMARKD - [0:0]", *mangle, "COMMIT", ""])
    floor = [timed(lambda: restore(whole)) for _ in range(RUNS)]
    print(f"{SERVICES} services, {RUNS} runs each, iptables-nft{'median ms':>43} {'p99 ms':>9}")
    base = sorted(floor)[len(floor) // 2]
    print(line("bare iptables-restore of the chain (the floor)", floor, base))
    print(line("own rule deleted -> back in the kernel", repairs, base))
    print(line("keepalived.conf saved -> rules in the kernel", saves, base))
    polling = [60 * (n + 0.5) / RUNS for n in range(RUNS)]
    print(line("own rule deleted, polling every 60 s (computed)", polling, base))


if __name__ == "__main__":
    main()
