"""An unbroken stream of packets to services that stay, while others come, go and are damaged."""

import random
import subprocess
import time

from tests.bench.ground import fresh, rule_of, services
from tests.bench.traffic import counts, served, stream
from tests.harness.daemon import Daemon

STAY = 20
CHURN = 250
CHANGES = 200
RATE = 5000


def play(variant: str) -> None:
    """One variant."""
    directory = fresh(variant)
    chance = random.Random(80)  # noqa: S311 - a script, the same each time
    with Daemon(directory, PATH=f"{directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin") as daemon:
        daemon.settings("[daemon]\nlinger_seconds = 0.2\n")
        daemon.conf.write_text(served(STAY) + services(CHURN))
        daemon.start()
        with stream(STAY, RATE):
            before = counts()
            deleted = 0
            for number in range(CHANGES):
                daemon.conf.write_text(served(STAY) + services(chance.randint(CHANGES, CHURN)))
                time.sleep(0.03)
                done = subprocess.run(
                    [
                        *(f"iptables-{variant}", "-w", "5", "-t", "mangle"),
                        *("-D", "LVSMARKD", *rule_of(number)),
                    ],
                    capture_output=True,
                    check=False,
                    timeout=20,
                )
                deleted += done.returncode == 0
                time.sleep(0.03)
            time.sleep(1)
            seen = counts() - before
        daemon.stop()
    print(
        f"iptables-{variant}: {CHANGES} changes of the file, {deleted} rules of others deleted:"
        f" {seen.sent} packets of {STAY} untouched services, {seen.wrong} unmarked"
    )


def main() -> None:
    """Both variants."""
    print()
    for variant in ("nft", "legacy"):
        play(variant)


if __name__ == "__main__":
    main()
