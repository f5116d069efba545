"""As many tables as time allows, written and read by us and by nft; needs root.

FUZZ_SECONDS, FUZZ_WORKERS and FUZZ_SEED say how long, how many at once, from where. FUZZ_ONLY is
the number of one table of a seed: it alone is looked at.
"""

import os
import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.fuzz.nftables.campaign import Campaign, work
from tests.harness.nft import EDITIONS, Nft


def main() -> int:
    """Run, and print what was found."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "600"))
    workers = int(os.environ.get("FUZZ_WORKERS", "2"))
    seed = os.environ.get("FUZZ_SEED") or str(time.time_ns())
    only = os.environ.get("FUZZ_ONLY")
    print(f"seed {seed}, {seconds:.0f} s", flush=True)
    if only is not None:
        Campaign(seed, tuple(map(Nft.of, EDITIONS))).run([int(only)])
        return 0
    tasks = [(seed, number, workers, seconds, tuple(EDITIONS)) for number in range(workers)]
    with get_context("spawn").Pool(workers) as pool:
        for name, number in sorted(sum(pool.starmap(work, tasks, 1), Counter[str]()).items()):
            print(f"{number:10} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
