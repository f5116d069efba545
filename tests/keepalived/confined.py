"""A reading in a process of its own, with little memory and time, so that none can hurt."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.keepalived.cases import CONFIG_ID

MEGABYTES = 1024
"""Of address space, the interpreter's own included: a reading that wants more fails."""

SECONDS = 90
"""Of processor time: far above what any reading takes, so that it ends at all."""

_PROGRAM = """
import json, resource, sys
from pathlib import Path
from lvsmarkd.keepalived import read

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]) << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[4]),) * 2)
before = resource.getrusage(resource.RUSAGE_SELF)
reading = read(Path(sys.argv[1]), sys.argv[2])
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "completeness": reading.completeness,
    "marks": sorted({service.key.mark for service in reading.services}),
    "problems": [str(problem) for problem in reading.problems],
    "megabytes": (after.ru_maxrss - before.ru_maxrss) / 1024,
}))
"""


@dataclass(frozen=True, slots=True)
class Confined:
    """What came of it, and the memory that it took above the interpreter's."""

    completeness: str
    marks: list[int]
    problems: list[str]
    megabytes: float


def read_confined(path: Path) -> Confined:
    """Read a configuration; fails where it ends in an error or exceeds its limits."""
    command = [sys.executable, "-c", _PROGRAM, str(path), CONFIG_ID, str(MEGABYTES), str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"the reading ended with {done.returncode}: {done.stderr[-1500:]}"
    return Confined(**json.loads(done.stdout))
