"""A machine in QEMU, spoken to through the guest's agent.

It has no network but what a test gives it. Its disk is thrown away with it, and stays as it is
while it reboots. It begins from an image: a disk from which it boots, or the disk and the memory of
a machine that was frozen (frozen.py).
"""

import base64
import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from tests.director.agent import PATIENCE, Agent, GuestError

HERE = Path(__file__).parent
CORES = os.environ.get("DIRECTOR_CORES", "1")
"""One costs least. For figures on a quiet machine, more are nearer to a real director."""
NOWHERE = "hubport,id=wire,hubid=1"
"""Where its network card leads if no test says otherwise."""
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KERNEL = (
    "console=ttyS0 quiet loglevel=4 mitigations=off nokaslr panic=-1 tsc=unstable"
    " random.trust_cpu=on systemd.show_status=0"
)
_PIECE = 1 << 19
"""Bytes of a file that go to the agent at once."""


def until(
    holds: Callable[[], object], what: str, seconds: float = PATIENCE, pause: float = 0.5
) -> float:
    """Wait until something holds; gives how long it took."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds:
            raise GuestError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(pause)
    return time.monotonic() - start


@dataclass(frozen=True)
class Done:
    """How a command ended, and all that it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class Image:
    """What a machine begins from: ``boot`` holds its kernel and initrd, ``disk`` its root;
    ``memory`` is that of a machine at work, where there is one."""

    boot: Path
    disk: Path
    memory: Path | None = None


class Guest:
    """One machine. ``wire`` is where its network card leads: the netdev of that name for QEMU."""

    def __init__(self, image: Image, name: str = "director", wire: str = NOWHERE) -> None:
        self.name = name
        self.image = image
        self.wire = wire
        self.directory = Path(mkdtemp(prefix=f"lvsmarkd-guest-{os.getpid()}-"))
        self.console = self.directory / "console"
        self.monitor = self.directory / "monitor"
        self.disk = self.directory / "disk.qcow2"
        self._agent: Agent | None = None

    @property
    def agent(self) -> Agent:
        assert self._agent, "it is switched on"
        return self._agent

    def start(self) -> Self:
        """Switch it on; it is ready when its agent answers and what systemd starts is started."""
        self.launch()
        self.meet()
        return self

    def launch(self) -> None:
        """Switch it on."""
        agent = self.directory / "agent"
        below, kind = self.image.disk, "raw" if self.image.disk.suffix == ".ext4" else "qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", below, self.disk],
            check=True,
            timeout=60,
        )
        # The kernel ends it with the thread that starts it.
        assert threading.current_thread() is threading.main_thread()
        command = [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35"),
            *("-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", CORES, "-m", "1024"),
            *("-nodefaults", "-display", "none"),
            *("-kernel", str(self.image.boot / "vmlinuz")),
            *("-initrd", str(self.image.boot / "initrd.gz")),
            *("-append", _KERNEL, "-serial", f"file:{self.console}"),
            *("-drive", f"if=none,id=root,file={self.disk},format=qcow2,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={agent},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-netdev", self.wire, "-device", "virtio-net-pci,netdev=wire"),
            *("-qmp", f"unix:{self.monitor},server=on,wait=off"),
        ]
        if self.image.memory:
            command += ["-incoming", f"exec:cat {shlex.quote(str(self.image.memory))}"]
        with (self.directory / "qemu").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._agent = Agent(agent, self.name, self._ended)

    def meet(self) -> None:
        """Wait for the agent, and for the end of the boot."""

        def answers() -> bool:
            with suppress(GuestError):
                self.agent.greet(2)
                return True
            self._ended()
            return False

        try:
            until(answers, "its agent", 3 * PATIENCE, 0.05)
        except GuestError:
            console = self.console.read_text(errors="replace")[-3000:]
            raise GuestError(
                f"{self.name} did not come up; its console ends so:\n{console}"
            ) from None
        self.run("systemctl", "is-system-running", "--wait", check=False, seconds=2 * PATIENCE)

    def run(self, *command: str, check: bool = True, seconds: float = PATIENCE) -> Done:
        """Run a program in there as root; gives its exit status and what it printed."""
        answer = self.agent.ask(
            "guest-exec",
            {
                "path": "/bin/sh",
                "arg": ["-c", 'exec "$@" 2>&1', "sh", *command],
                "env": [_PATH, "HOME=/root", "LANG=C.UTF-8"],
                "capture-output": True,
            },
            seconds,
        )
        start, pause = time.monotonic(), 0.01
        while True:
            state = self.agent.ask("guest-exec-status", {"pid": answer["pid"]}, seconds)
            if state["exited"]:
                break
            if time.monotonic() - start > seconds:
                raise GuestError(f"{self.name}: {shlex.join(command)} runs after {seconds:g} s")
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
        output = base64.b64decode(state.get("out-data", "")).decode(errors="replace")
        done = Done(state.get("exitcode", 128 + state.get("signal", 0)), output)
        if check and done.status:
            raise GuestError(
                f"{self.name}: {shlex.join(command)} ended with {done.status}:\n{done.output}"
            )
        return done

    def sh(self, script: str, *, check: bool = True, seconds: float = PATIENCE) -> str:
        """Run a script in there; gives what it printed."""
        return self.run("sh", "-euc", script, check=check, seconds=seconds).output

    def put(self, content: bytes, path: str) -> None:
        """Make a file in there, in a directory that is there."""
        handle = self.agent.ask("guest-file-open", {"path": path, "mode": "w"})
        for start in range(0, len(content), _PIECE):
            piece = base64.b64encode(content[start : start + _PIECE]).decode()
            self.agent.ask("guest-file-write", {"handle": handle, "buf-b64": piece})
        self.agent.ask("guest-file-close", {"handle": handle})

    def write(self, path: str, text: str) -> None:
        """Write a file in there, as an editor does: all at once."""
        target = shlex.quote(path)
        self.sh(f"mkdir -p $(dirname {target})")
        self.put(text.encode(), f"{path}.new")
        self.sh(f"chmod 644 {target}.new; mv {target}.new {target}")

    def reboot(self, command: str = "systemctl reboot") -> None:
        """Reboot it; its disk stays."""
        boot = "/proc/sys/kernel/random/boot_id"
        before = self.sh(f"cat {boot}")
        self.agent.ask("guest-exec", {"path": "/bin/sh", "arg": ["-c", command], "env": [_PATH]})

        def anew() -> bool:
            # Until the machine is down, its agent may still answer, and then no longer.
            with suppress(GuestError):
                self.agent.greet(2)
                return self.sh(f"cat {boot}", seconds=5) != before
            return False

        until(anew, f"{self.name} comes up anew after {command}", 3 * PATIENCE)
        self.meet()

    def kill(self) -> None:
        """The power fails."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it, and what it has left here."""
        if hasattr(self, "process"):
            self.kill()
        if self._agent:
            self._agent.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        self.close()

    def _ended(self) -> bool:
        if self.process.poll() is None:
            return False
        raise GuestError(
            f"QEMU ended with {self.process.returncode}: {(self.directory / 'qemu').read_text()}"
        )
