"""What a listing of the marks costs an operator who asks: CPU, of all that it starts too."""

import os
import resource
import subprocess
import sys

from tests.bench.ground import fresh, line, services

SERVICES = 10
RUNS = 30


def main() -> None:
    """``lvsmarkd marks``, as it is installed: with bytecode, beside a bare interpreter."""
    conf = fresh() / "keepalived.conf"
    conf.write_text(services(SERVICES))
    marks = [sys.executable, "-m", "lvsmarkd", "marks", "--keepalived-conf", str(conf)]
    bare = _runs([sys.executable, "-c", "pass"])
    base = sorted(bare)[RUNS // 2]
    print(f"\nCPU of a command, {RUNS} runs{'median ms':>60} {'p99 ms':>9}")
    print(line("the interpreter alone", bare, base))
    print(line(f"marks, {SERVICES} services", _runs(marks), base))
    print(line(f"marks --json, {SERVICES} services", _runs([*marks, "--json"]), base))


def _runs(command: list[str]) -> list[float]:
    _cpu(command)  # leaves the bytecode
    return [_cpu(command) for _ in range(RUNS)]


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=60, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
