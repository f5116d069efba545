"""How the play is told: acts, commands with what they say, repairs with how long they took."""

import subprocess
import sys
import time
from collections.abc import Callable

from demo.stage import Stage, run, until

CLI = f"{sys.executable} -m lvsmarkd"
COLOURS = sys.stdout.isatty()


def act(title: str) -> None:
    """One act begins."""
    print(f"\n\x1b[1m── {title}\x1b[0m" if COLOURS else f"\n-- {title}", flush=True)


def show(command: str, *wanted: str) -> None:
    """Run a command and print it with what it says; of a long answer, the wanted lines."""
    print(f"$ {command}")
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=30, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        if not wanted or any(word in line for word in wanted):
            print(f"    {line}")


def heard(stage: Stage) -> None:
    """What the journal says of it, once it does."""
    until("the journal", lambda: len(stage.log.read_text().splitlines()) > stage.shown)
    time.sleep(0.3)
    for line in stage.journal():
        print(f"    journal: {line}")


def done(stage: Stage, command: str) -> None:
    """Somebody does something; show what the journal says of it."""
    print(f"# {command}")
    run("sh", "-c", command)
    heard(stage)


def repaired(stage: Stage, command: str, back: Callable[[], bool], what: str = "") -> None:
    """Somebody does something; show how long the rules were away and what the journal says."""
    print(f"# {command}")
    run("sh", "-c", command)
    ended = time.monotonic()
    until("the repair", back)
    took = 1000 * (time.monotonic() - ended)
    print(f"    {what or 'back in the kernel'} {took:.0f} ms after the command ended")
    print("    (the time in the journal includes a second look, which verified the repair)")
    heard(stage)


def arrives(stage: Stage, address: str, *ports: int) -> None:
    """A client asks for these ports; which marks its packets bear."""
    stage.send(address, *ports)
    print(f"    client -> {address} {ports}: {stage.arrived()}")
