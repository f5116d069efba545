"""A pass that changes nothing, what a start costs, and what the idle daemon does.

BENCH_PYTHON is the interpreter of an environment that has what a package has and no more: see
docs/decisions/0003-libraries.md. In one with the tools for development a start and the memory are
some more: msgspec imports typing_extensions where it is there.
"""

import os
import statistics
import sys
import time

from lvsmarkd.backends.choose import choose
from lvsmarkd.model.report import Mode
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.reconcile.inputs import InputPaths, InputReader
from lvsmarkd.reconcile.reconciler import Reconciler
from tests.bench.ground import fresh, line, services, timed
from tests.bench.processes import cpu, cpu_of, memory
from tests.harness.daemon import Daemon
from tests.harness.netns import run as tool

SERVICES = 1000
RUNS = 30
PYTHON = os.environ.get("BENCH_PYTHON", sys.executable)
IDLE = float(os.environ.get("BENCH_IDLE_SECONDS", "60"))


def quiet_pass() -> None:
    """In this process, beside the four iptables-save that it cannot do without."""
    directory = fresh()
    conf, toml = directory / "keepalived.conf", directory / "lvsmarkd.toml"
    conf.write_text(services(SERVICES))
    toml.write_text("")
    backend = choose("iptables", state_directory=directory)
    reconciler = Reconciler(InputReader.open(InputPaths(toml, conf)), backend)
    wakes = [Wake(Trigger.TIMER)]
    reconciler.run(wakes, lambda _settings: Mode.ENFORCE)
    passes = [
        timed(lambda: reconciler.run(wakes, lambda _settings: Mode.ENFORCE)) for _ in range(RUNS)
    ]
    saves = [timed(_saves) for _ in range(RUNS)]
    base = sorted(saves)[RUNS // 2]
    print(f"\n{SERVICES} services, {RUNS} runs, iptables-nft{'median ms':>46} {'p99 ms':>9}")
    print(line("the four iptables-save of a pass, alone (the floor)", saves, base))
    print(line("a pass that changes nothing", passes, base))


def _saves() -> None:
    for program in ("iptables-nft-save", "ip6tables-nft-save"):
        for table in ("mangle", "filter"):
            tool(program, "-c", "-t", table)


def start() -> None:
    """CPU of `lvsmarkd marks`, and time and CPU of a daemon up to READY, beside those of a Python
    that does nothing.
    """
    # As installed: nobody compiles the modules anew with each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    directory = fresh()
    conf = directory / "keepalived.conf"
    conf.write_text(services(10))
    marks = (PYTHON, "-m", "lvsmarkd", "marks", "--keepalived-conf", str(conf))
    cpu_of(*marks)
    bare = [cpu_of(PYTHON, "-c", "") for _ in range(RUNS)]
    waits = [timed(lambda: cpu_of(PYTHON, "-c", "")) for _ in range(RUNS)]
    listed = [cpu_of(*marks) for _ in range(RUNS)]
    times, work = zip(*(_to_ready() for _ in range(RUNS // 3)), strict=True)
    base, wait = statistics.median(bare), statistics.median(waits)
    print(f"\n10 services, {RUNS} runs, iptables-nft{'median ms':>48} {'p99 ms':>9}")
    print(line("CPU of a Python that does nothing (the floor)", bare, base))
    print(line("CPU of lvsmarkd marks --keepalived-conf, its children too", listed, base))
    print(line("CPU of a daemon up to READY", list(work), base))
    print(line("time from the start of the daemon to READY", list(times), wait))


def _to_ready() -> tuple[float, float]:
    directory = fresh()
    with Daemon(directory, metrics=10965, python=PYTHON, MALLOC_ARENA_MAX="1") as daemon:
        daemon.conf.write_text(services(10))
        seconds = timed(daemon.start)
        used = cpu(daemon.process.pid)
        daemon.stop()
    return seconds, used


def idle(count: int) -> None:
    """CPU, children included, and memory of a daemon that has nothing to do."""
    directory = fresh()
    # As the unit has it.
    with Daemon(directory, metrics=10965, python=PYTHON, MALLOC_ARENA_MAX="1") as daemon:
        daemon.conf.write_text(services(count))
        daemon.start()
        time.sleep(35)  # the looks after the first write are over
        pid = daemon.process.pid
        daemon.page()  # the first scrape imports what the next ones use
        before = cpu(pid)
        time.sleep(IDLE)
        used = cpu(pid) - before
        print(
            f"idle daemon, {count:>5} services: {100 * used / IDLE:.3f} % of a core over"
            f" {IDLE:.0f} s, RSS {memory(pid):.1f} MiB"
        )
        daemon.stop()


def main() -> None:
    """All of it."""
    quiet_pass()
    start()
    print()
    for count in (10, SERVICES):
        idle(count)


if __name__ == "__main__":
    main()
