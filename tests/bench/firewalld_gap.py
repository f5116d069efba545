"""How long packets go unmarked, or get lost, while firewalld reloads or restarts: by who keeps
the rule that marks them.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median

from lvsmarkd.backends.firewalld.names import POLICY
from tests.bench.ansible import MISSING, Ansible, installed
from tests.bench.firewalld_bench import ZONE, FirewalldBench, firewalld_bench, settings
from tests.bench.traffic import LONGEST, PORT, counts, served, stream, vip
from tests.harness.daemon import Daemon, until
from tests.harness.netns import run

RATE = 10_000
BURST = 10
"""Packets at once: a millisecond's."""
LIMIT = 3.0
"""Seconds after which what is not back is given up."""
CALM = 0.3
"""Seconds without a packet that fails after which all is well."""
CHANCE = 5
"""Packets by which counters may differ that are not read at the same moment."""
RULE = (
    f'rule priority="1" family="ipv4" destination address="{vip(1)}" port port="{PORT}"'
    ' protocol="udp" mark set=1'
)
ANSIBLE = "ansible.posix.firewalld, a loop"
Keeping = Callable[[FirewalldBench], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Seconds of the stream: without its mark behind mangle; of these, what reached INPUT all the
    same; what did not reach INPUT. ``back`` says that it ended.
    """

    unmarked: float
    astray: float
    lost: float
    back: bool

    @property
    def out(self) -> float:
        """For how long IPVS got nothing."""
        return self.astray + self.lost


def stretch(act: Callable[[], object]) -> Stretch:
    """What an act does to the stream, until that is well again."""
    began, before = time.monotonic(), counts()
    act()
    done = failed = time.monotonic()
    last = counts()
    while (now := time.monotonic()) - failed < CALM and now - done < LIMIT:
        time.sleep(0.05)
        new = counts()
        if (new - last).wrong or (new - last).lost > CHANCE:
            failed = time.monotonic()
        last = new
    seen = last - before
    rate = seen.sent / (time.monotonic() - began)
    back = time.monotonic() - failed >= CALM
    return Stretch(seen.wrong / rate, seen.astray / rate, max(0, seen.lost) / rate, back)


@contextmanager
def lvsmarkd(bench: FirewalldBench) -> Iterator[None]:
    """The daemon, with a policy of its own."""
    with Daemon(bench.directory) as daemon:
        daemon.settings(settings())
        daemon.conf.write_text(served(1))
        daemon.start()
        yield
        daemon.stop()


def shell_loop(_bench: FirewalldBench) -> AbstractContextManager[None]:
    """It adds the rule every second."""
    return _over_and_over(["firewall-cmd", f"--zone={ZONE}", f"--add-rich-rule={RULE}"], pause=1)


@contextmanager
def playbooks(bench: FirewalldBench) -> Iterator[None]:
    """One after the other, without a pause."""
    # The module may write files itself where firewalld does not run: not those of this machine.
    run("mount", "--bind", str(bench.bed.etc), "/etc/firewalld")
    try:
        with _over_and_over(Ansible(bench.directory).command([RULE])):
            yield
    finally:
        run("umount", "--lazy", "/etc/firewalld")


@contextmanager
def _over_and_over(command: Sequence[str], pause: int = 0) -> Iterator[None]:
    loop = f'while :; do "$@"; sleep {pause}; done'
    process = subprocess.Popen(
        ["timeout", LONGEST, "sh", "-c", loop, "sh", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


KEEPERS: dict[str, Keeping] = {
    "nobody": lambda _bench: nullcontext(),
    "lvsmarkd": lvsmarkd,
    "firewall-cmd every second": shell_loop,
    ANSIBLE: playbooks,
}
PLAYS = {"nftables": (3, tuple(KEEPERS)), "iptables": (2, ("nobody", "lvsmarkd"))}
"""How often, and with whom, by firewalld's backend."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One keeper of one rule; ``container`` is where that is."""

    bench: FirewalldBench
    holder: str

    def whole(self) -> bool:
        """Whether the rule is in force and saved."""
        bench = self.bench
        return bool(bench.saved(self.holder) and bench.marked(self.holder)) and self.runs()

    def runs(self) -> bool:
        """Whether firewalld does."""
        return self.bench.bed.state() == "RUNNING"

    def begin(self) -> None:
        """Have the rule in force and saved: by hand where nobody would save it."""
        if self.holder == ZONE and not self.whole():
            until(self.runs, "firewalld")
            for plane in ((), ("--permanent",)):
                add = (f"--zone={ZONE}", f"--add-rich-rule={RULE}")
                self.bench.bed.cmd(*plane, *add, check=False)
        until(self.whole, "the rule")

    def reload(self) -> None:
        """What is saved."""
        self.bench.hand.reload()

    def restart(self) -> None:
        """As systemd does."""
        self.bench.bed.stop()
        self.bench.bed.start(state="")

    def forget(self) -> None:
        """Reload, and the rule is not saved any more."""
        self.bench.hand.reload_with([], self.holder)


ACTS: dict[str, Callable[[Scene], object]] = {
    "reload": Scene.reload,
    "restart": Scene.restart,
    "reload, the rule not saved": Scene.forget,
}


def play(backend: str, keeper: str, times: int) -> dict[str, list[Stretch]]:
    """All acts under one keeper."""
    chance = random.Random(80)  # noqa: S311 - a script, the same each time
    with firewalld_bench(backend) as bench:
        # A mark opens no port.
        bench.bed.cmd("--permanent", f"--zone={ZONE}", f"--add-port={PORT}/udp")
        bench.hand.reload()
        scene = Scene(bench, POLICY if keeper == "lvsmarkd" else ZONE)
        found: dict[str, list[Stretch]] = {act: [] for act in ACTS}
        with KEEPERS[keeper](bench), stream(1, RATE, BURST):
            for act, do in ACTS.items():
                for _ in range(times):
                    scene.begin()
                    time.sleep(0.2 + 1.2 * chance.random())  # at any moment of a loop
                    found[act].append(stretch(lambda do=do: do(scene)))  # type: ignore[misc] # bound early
        return found


def main() -> None:
    """All keepers."""
    for backend, (times, keepers) in PLAYS.items():
        there = [keeper for keeper in keepers if keeper != ANSIBLE or installed()]
        found = {keeper: play(backend, keeper, times) for keeper in there}
        print(f"\nfirewalld's {backend} backend, {RATE} packets/s, {times} runs each, median ms")
        print(f"{'':<34}{'unmarked':>10}{'astray':>10}{'lost':>10}{'in vain':>10} {'(worst)':>9}")
        for act in ACTS:
            print(f"{act}:")
            base = median(each.out for each in found["nobody"][act])
            for keeper in keepers:
                if keeper in found:
                    print(_row(keeper, found[keeper][act], base), flush=True)
                else:
                    print(f"  {keeper:<32} {MISSING}", flush=True)


def _row(keeper: str, runs: Sequence[Stretch], base: float) -> str:
    unmarked, astray, lost, out = (
        1e3 * median(values)
        for values in zip(*((r.unmarked, r.astray, r.lost, r.out) for r in runs), strict=True)
    )
    worst = 1e3 * max(each.out for each in runs)
    back = "" if all(each.back for each in runs) else f"  not back within {LIMIT:.0f} s"
    return (
        f"  {keeper:<32}{unmarked:10.1f}{astray:10.1f}{lost:10.1f}{out:10.1f} {f'({worst:.1f})':>9}"
        f"{1e-3 * out / base:8.2f} x{back}"
    )


if __name__ == "__main__":
    main()
