"""All benchmarks, or those named: latency, stream, footprint, listing, reading."""

import sys

from tests.bench import footprint, latency, listing, reading, stream
from tests.harness.netns import private_mounts

_ALL = {
    "latency": latency.main,
    "stream": stream.main,
    "footprint": footprint.main,
    "listing": listing.main,
    "reading": reading.main,
}

if __name__ == "__main__":
    private_mounts()
    for name in sys.argv[1:] or _ALL:
        _ALL[name]()
