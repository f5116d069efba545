"""From damage, or from a saved file, to rules in the kernel, by the kernel's own events."""

import subprocess
import time

from tests.bench.ground import fresh, line, restore, rule_of, services, timed
from tests.bench.transactions import transactions
from tests.harness.daemon import Daemon
from tests.harness.netns import run as tool

RUNS = 40
SERVICES = 100


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
            heard.clear()
            arguments = ["iptables-nft", "-t", "mangle", "-D", "LVSMARKD", *rule_of(number)]
            subprocess.run(arguments, check=True, timeout=20)
            gone = heard.next("iptables")
            repairs.append(heard.next("iptables") - gone)
        saves = []
        for number in range(RUNS):
            time.sleep(0.4)
            heard.clear()
            text = services(SERVICES + number + 1)
            start = time.perf_counter()
            daemon.conf.write_text(text)
            saves.append(heard.next("iptables") - start)
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
