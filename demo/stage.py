"""The stage: private directories, a client behind a veth pair, the daemon as a real process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.harness.firewalld import RealFirewalld

METRICS = 10965
CLIENT = "lvsmarkd-demo-client"
PROBE = """table inet demo {
    counter marked_80 { }
    counter marked_21 { }
    counter unmarked { }
    chain seen {
        type filter hook prerouting priority 0; policy accept;
        iifname "vip0" meta l4proto tcp meta mark 80 counter name marked_80
        iifname "vip0" meta l4proto tcp meta mark 21 counter name marked_21
        iifname "vip0" meta l4proto tcp meta mark 0 counter name unmarked
    }
}
"""


class StageError(Exception):
    """The demo cannot go on; says why."""


def run(*arguments: str, stdin: str = "") -> str:
    """Run a program; gives what it printed."""
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise StageError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def until(what: str, holds: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until something holds; gives the seconds that it took."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds:
            raise StageError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.001)
    return time.monotonic() - start


class Stage:
    """Everything is in a temporary directory and in namespaces that end with this process."""

    def __init__(self) -> None:
        if [line.split()[0] for line in run("ip", "-br", "link").splitlines()] != ["lo"]:
            raise StageError("not in a fresh network namespace: run this by `make demo`")
        self.directory = Path(tempfile.mkdtemp(prefix="lvsmarkd-demo-"))
        (self.directory / "firewalld").mkdir()
        self.log = self.directory / "journal"
        self.shown = 0
        self.client: subprocess.Popen[bytes] | None = None
        self.daemon: subprocess.Popen[bytes] | None = None
        self.config = self.directory / "keepalived.conf"
        self.settings = self.directory / "lvsmarkd.toml"
        self.firewalld = RealFirewalld(self.directory / "firewalld")
        # The machine's own firewalld is not to be found from here.
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self.firewalld.address
        os.environ["RUNTIME_DIRECTORY"] = str(self.directory / "run")
        os.environ["STATE_DIRECTORY"] = str(self.directory / "state")

    def build(self) -> None:
        """A /run of our own for the xtables lock, a client with a cable to the VIPs."""
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        run("ip", "link", "set", "lo", "up")
        self.client = subprocess.Popen(["unshare", "--net", "sleep", "300"])
        until("the client's namespace", self._client_ready)
        pid = str(self.client.pid)
        run("ip", "link", "add", "vip0", "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "addr", "add", "192.0.2.10/24", "dev", "vip0")
        run("ip", "addr", "add", "192.0.2.11/24", "dev", "vip0")
        run("ip", "addr", "add", "2001:db8::10/64", "dev", "vip0", "nodad")
        run("ip", "link", "set", "vip0", "up")
        for line in (
            "ip link set lo up",
            "ip addr add 192.0.2.99/24 dev eth0",
            "ip addr add 2001:db8::99/64 dev eth0 nodad",
            "ip link set eth0 up",
        ):
            run("nsenter", "-t", pid, "-n", *line.split())
        run("nft", "-f", "-", stdin=PROBE)
        until("the cable", lambda: "state UP" in run("ip", "link", "show", "vip0"))

    def _client_ready(self) -> bool:
        assert self.client is not None
        with suppress(OSError):
            here = os.readlink("/proc/self/ns/net")
            return os.readlink(f"/proc/{self.client.pid}/ns/net") != here
        return False

    def start(self) -> None:
        """Start the daemon as systemd would, and wait until it says READY."""
        notify = self.directory / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(notify))
            ear.settimeout(15)
            self.settings.write_text(
                f'[keepalived]\nconfig = "{self.config}"\n[daemon]\nlinger_seconds = 1\n'
            )
            with self.log.open("ab") as log:
                self.daemon = subprocess.Popen(
                    [sys.executable, "-m", "lvsmarkd", "run", "--config", str(self.settings)],
                    env=os.environ | {"NOTIFY_SOCKET": str(notify)},
                    stderr=log,
                )
            while b"READY=1" not in ear.recv(4096):
                pass

    def stop(self) -> None:
        """Stop the daemon, as systemd would."""
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait(15)
        self.shown = len(self.log.read_text().splitlines())

    def start_firewalld(self) -> None:
        """A bus and firewalld with nftables; the cable's end is in its default zone."""
        self.firewalld.start_bus()
        self.firewalld.start()

    def stop_firewalld(self) -> None:
        """It takes its rules with it."""
        print("# systemctl stop firewalld")
        self.firewalld.stop()

    def resume_firewalld(self) -> None:
        """It comes back with what is permanent."""
        print("# systemctl start firewalld")
        self.firewalld.start()

    def send(self, address: str, *ports: int) -> None:
        """One TCP connection attempt from the client to each port."""
        assert self.client is not None
        code = (
            "import socket, sys\n"
            "for port in sys.argv[2:]:\n"
            "    try: socket.create_connection((sys.argv[1], int(port)), 1).close()\n"
            "    except OSError: pass\n"
        )
        run(
            *("nsenter", "-t", str(self.client.pid), "-n", sys.executable, "-c", code, address),
            *map(str, ports),
        )

    def arrived(self) -> str:
        """How many packets from the client bore which mark, since the last time asked."""
        listing = json.loads(run("nft", "-j", "reset", "counters", "table", "inet", "demo"))
        counters = (entry["counter"] for entry in listing["nftables"] if "counter" in entry)
        counted = {counter["name"]: counter["packets"] for counter in counters}
        return ", ".join(f"{packets} {name}" for name, packets in counted.items() if packets)

    def metrics(self, *names: str) -> list[str]:
        """The lines of the named metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        return [line for line in lines if line.startswith(names)]

    def journal(self) -> list[str]:
        """What the daemon said since the last time asked."""
        lines = self.log.read_text().splitlines()
        fresh, self.shown = lines[self.shown :], len(lines)
        return fresh

    def close(self) -> None:
        """End the processes, remove the directory. The namespaces end with us."""
        for process in (self.daemon, self.client):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.firewalld.end()
        shutil.rmtree(self.directory, ignore_errors=True)
