"""A machine in QEMU: booted from the image (image.sh), spoken to through the guest's agent.

It has no network but what a test gives it. Its disk is thrown away with it, and stays as it is
while it reboots. ``share`` is a directory here, and /mnt/host in there.
"""

import base64
import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
PATIENCE = 180.0
"""The machine is emulated, and its cores are shared with who knows what."""
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KERNEL = (
    "console=ttyS0 quiet loglevel=4 mitigations=off nokaslr panic=-1 tsc=unstable"
    " random.trust_cpu=on systemd.show_status=0"
)


class GuestError(AssertionError):
    """The machine does not do what it is told; says why."""


def until(
    holds: Callable[[], object], what: str, seconds: float = PATIENCE, pause: float = 0.3
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


class Guest:
    """One machine. ``wires`` are options for QEMU that give it network cards."""

    def __init__(self, image: Path, name: str = "director", wires: Sequence[str] = ()) -> None:
        self.name = name
        self.image = image
        self.wires = wires
        self.directory = Path(mkdtemp(prefix="lvsmarkd-"))
        self.share = self.directory / "share"
        self.share.mkdir()
        self.console = self.directory / "console"
        self._ear: socket.socket | None = None
        self._heard = b""
        self._speaking = threading.Lock()

    def start(self) -> Self:
        """Boot it; it is ready when its agent answers and what systemd starts is started."""
        self.launch()
        self.meet()
        return self

    def launch(self) -> None:
        """Switch it on."""
        agent = self.directory / "agent"
        # The kernel ends it with the thread that starts it.
        assert threading.current_thread() is threading.main_thread()
        command = [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35"),
            *("-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "2", "-m", "1024"),
            *("-nodefaults", "-display", "none"),
            *("-kernel", str(self.image / "vmlinuz"), "-initrd", str(self.image / "initrd.gz")),
            *("-append", _KERNEL, "-serial", f"file:{self.console}"),
            "-drive",
            f"if=none,id=root,file={self.image / 'root.ext4'},format=raw,snapshot=on,cache=unsafe"
            ",file.locking=off",
            *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={agent},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            "-virtfs",
            f"local,path={self.share},mount_tag=host,security_model=none,multidevs=remap",
            *self.wires,
        ]
        with (self.directory / "qemu").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # What is thrown away with the machine lies beside its other things.
                env=os.environ | {"TMPDIR": str(self.directory)},
            )
        until(lambda: agent.exists() or self._ended(), "QEMU", 30, 0.05)
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.connect(str(agent))

    def meet(self) -> None:
        """Wait for the agent, and for the end of the boot."""

        def answers() -> bool:
            with suppress(GuestError):
                self._greet(2)
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
        answer = self._ask(
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
            state = self._ask("guest-exec-status", {"pid": answer["pid"]}, seconds)
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

    def write(self, path: str, text: str) -> None:
        """Write a file in there, as an editor does: all at once."""
        content = base64.b64encode(text.encode()).decode()
        target = shlex.quote(path)
        self.sh(
            f"mkdir -p $(dirname {target}); echo {content} | base64 -d > {target}.new;"
            f" chmod 644 {target}.new; mv {target}.new {target}"
        )

    def uptime(self) -> float:
        """Seconds by its own clock since it booted."""
        return float(self.sh("cat /proc/uptime").split()[0])

    def reboot(self, command: str = "systemctl reboot") -> None:
        """Reboot it; its disk stays."""
        boot = "/proc/sys/kernel/random/boot_id"
        before = self.sh(f"cat {boot}")
        self._ask("guest-exec", {"path": "/bin/sh", "arg": ["-c", command], "env": [_PATH]})

        def anew() -> bool:
            # Until the machine is down, its agent may still answer, and then no longer.
            with suppress(GuestError):
                self._greet(2)
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
        if self._ear:
            self._ear.close()
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

    def _greet(self, seconds: float) -> None:
        """An answer to this very question: what is left of earlier ones is passed over."""
        token = time.monotonic_ns()
        with self._speaking:
            self._send({"execute": "guest-sync", "arguments": {"id": token}})
            while self._hear(seconds).get("return") != token:
                pass

    def _ask(self, what: str, arguments: dict[str, Any], seconds: float = PATIENCE) -> Any:  # noqa: ANN401
        with self._speaking:
            self._send({"execute": what, "arguments": arguments})
            answer = self._hear(seconds)
        if "error" in answer:
            raise GuestError(f"{self.name}: {what}: {answer['error']}")
        return answer["return"]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._ear
        self._ear.settimeout(PATIENCE)
        self._ear.sendall(json.dumps(message).encode() + b"\n")

    def _hear(self, seconds: float) -> dict[str, Any]:
        """The next whole line."""
        assert self._ear
        self._ear.settimeout(seconds)
        while b"\n" not in self._heard:
            try:
                more = self._ear.recv(65536)
            except TimeoutError:
                raise GuestError(f"{self.name}: its agent does not answer") from None
            if not more:
                self._ended()
                raise GuestError(f"{self.name}: QEMU has hung up")
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer
