"""As many tables as time allows, written and read by us and by nft; needs root.

FUZZ_SECONDS, FUZZ_WORKERS and FUZZ_SEED say how long, how many at once, from where. FUZZ_ONLY is
the number of one table of a seed: it alone is looked at.
"""

import sys
from collections import Counter
from multiprocessing import get_context

from tests.fuzz.nftables.campaign import Campaign, work
from tests.fuzz.terms import Terms
from tests.harness.nft import EDITIONS, Nft


def main() -> int:
    """Run, and print what was found."""
    asked = Terms.asked()
    seed, only, workers = asked.seed, asked.only, asked.workers
    print(asked, flush=True)
    if only is not None:
        Campaign(seed, tuple(map(Nft.of, EDITIONS))).run([only])
        return 0
    tasks = [(seed, number, workers, asked.seconds, tuple(EDITIONS)) for number in range(workers)]
    with get_context("spawn").Pool(workers) as pool:
        for name, number in sorted(sum(pool.starmap(work, tasks, 1), Counter[str]()).items()):
            print(f"{number:10} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
