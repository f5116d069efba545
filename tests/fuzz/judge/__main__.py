"""As many rulesets as time allows, put to the kernel and to the judge; needs root.

FUZZ_SECONDS, FUZZ_WORKERS and FUZZ_SEED say how long, how many at once, from where. FUZZ_ONLY is
the number of one ruleset of a seed: it alone is compared, and printed.
"""

import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.fuzz.judge.campaign import work
from tests.fuzz.judge.rulesets import ruleset
from tests.fuzz.terms import Terms


def main() -> int:
    """Run, and print what was found."""
    asked = Terms.asked()
    seed, only, workers = asked.seed, asked.only, asked.workers
    print(asked, flush=True)
    if only is not None:
        print("\n".join(ruleset(f"{seed}/{only}")[0]))
        figures = [work(seed, only, 1, 1e9, only + 1)]
    else:
        began = time.monotonic()
        tasks = [(seed, number, workers, asked.seconds, None) for number in range(workers)]
        with get_context("spawn").Pool(workers) as pool:
            figures = pool.starmap(work, tasks, 1)
        print(f"{time.monotonic() - began:.0f} s")
    counts, hidden_by = Counter[str](), Counter[str]()
    for each in figures:
        counts += each[0]
        hidden_by += each[1]
    for name, number in sorted(counts.items()):
        print(f"{number:10} {name}")
    print("packets are not certain by:")
    for why, number in hidden_by.most_common(25):
        print(f"{number:10} {why}")
    return 1 if any(found for _, _, found in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
