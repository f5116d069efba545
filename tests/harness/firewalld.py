"""The real firewalld on a real bus of its own, in the namespaces of the test.

It needs no systemd. The bus lies in the test's own /run (tests/harness/netns.py), so that users
other than root reach it. Whatever is started here ends with the test, also if that is killed.
"""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from tests.harness.daemon import until
from tests.harness.firewall_cmd import firewall_cmd
from tests.harness.netns import run

_DEFAULTS = Path("/etc/firewalld/firewalld.conf")
_POLICIES = Path("/usr/share/dbus-1/system.d")
_POLKITDS = (Path("/usr/lib/polkit-1/polkitd"), Path("/usr/libexec/polkitd"))
_RULES = Path("/etc/polkit-1/rules.d")
_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <limit name="max_replies_per_connection">8</limit>
  <include>{policies}/FirewallD.conf</include>
  <include ignore_missing="yes">{policies}/org.freedesktop.PolicyKit1.conf</include>
</busconfig>
"""
"""As a machine's system bus judges, but it starts nothing by itself, and a client that has more
than 8 calls under way is refused the ninth."""


@dataclass
class RealFirewalld:
    """A bus, and firewalld on it, each to be stopped and started. ``backend`` is firewalld's.

    ``etc`` is its configuration, with ``zones/`` and ``policies/``; ``address`` is the bus's.
    """

    directory: Path
    backend: str = "nftables"
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.chmod(0o755)
        self.etc = self.directory / "etc"
        for place in ("zones", "policies", "services", "ipsets", "icmptypes", "helpers"):
            (self.etc / place).mkdir(parents=True, exist_ok=True)
        self.configure(FirewallBackend=self.backend)
        self.socket = self.directory / "bus"
        self.address = f"unix:path={self.socket}"
        self.log = self.directory / "firewalld.log"
        self.bus_conf = self.directory / "bus.conf"
        self.bus_conf.write_text(_BUS.format(socket=self.socket, policies=_POLICIES))

    @property
    def environment(self) -> dict[str, str]:
        """For whoever is to find this bus."""
        return os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.address}

    def configure(self, **settings: str) -> None:
        """Change settings in firewalld.conf."""
        conf = self.etc / "firewalld.conf"
        lines = (conf if conf.exists() else _DEFAULTS).read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0].strip() not in settings]
        conf.write_text("\n".join([*kept, *(f"{k}={v}" for k, v in settings.items()), ""]))

    def start_bus(self) -> None:
        """Start it, and wait until it is there."""
        self.socket.unlink(missing_ok=True)
        self._start(
            "bus", ["dbus-daemon", f"--config-file={self.bus_conf}", "--nofork", "--nopidfile"]
        )
        until(self.socket.exists, "the bus's socket")

    def kill_bus(self) -> None:
        """End it in the middle of whatever it does, and every connection with it."""
        self._kill("bus")

    def start(self, state: str = "RUNNING") -> None:
        """Start firewalld, and wait until it says that it is so; empty: do not wait."""
        options = ("--nofork", "--nopid", "--system-config", str(self.etc))
        self._start(
            "firewalld",
            ["firewalld", *options, "--log-target", "file", "--log-file", str(self.log)],
        )
        until(lambda: state in {"", self.state()}, f"{state}, see {self.log}")

    def open_ports(self, *ports: str) -> None:
        """Let these in by the default zone, for good: it refuses what it does not name."""
        options = [f"--add-port={port}" for port in ports]
        self.cmd(*options)
        self.cmd("--permanent", *options)

    def stop(self) -> None:
        """Stop it as systemd does; by default it takes its rules with it."""
        self._children["firewalld"].terminate()
        self._children.pop("firewalld").wait(15)

    def kill(self) -> None:
        """End it without a word: its rules stay."""
        self._kill("firewalld")

    def freeze(self, name: str = "firewalld") -> None:
        """It stays where it is, and says nothing more."""
        self._children[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str = "firewalld") -> None:
        """It goes on."""
        self._children[name].send_signal(signal.SIGCONT)

    def pid(self, name: str = "firewalld") -> int:
        return self._children[name].pid

    def state(self) -> str:
        """What it says of itself; nothing where it does not say."""
        answer = self.ask_bus(
            "org.fedoraproject.FirewallD1",
            "/org/fedoraproject/FirewallD1",
            "org.freedesktop.DBus.Properties.Get",
            "string:org.fedoraproject.FirewallD1",
            "string:state",
        )
        return answer.split()[-1] if answer.split() else ""

    def cmd(self, *arguments: str, check: bool = True) -> str:
        """What ``firewall-cmd`` says: a client that shares nothing with ours."""
        ended = firewall_cmd(arguments, self.environment)
        if check and ended.status:
            raise AssertionError(f"{arguments} ended with {ended.status}: {ended.complaint}")
        return ended.output

    def start_polkit(self, *rules: Path) -> None:
        """Start polkitd with these rules and no others of the machine's administrator."""
        polkitd = next((path for path in _POLKITDS if path.exists()), None)
        assert polkitd, "polkitd is not installed"
        place = self.directory / "rules.d"
        place.mkdir(exist_ok=True)
        for rule in rules:
            shutil.copy(rule, place)
        place.chmod(0o755)
        run("mount", "--bind", str(place), str(_RULES))
        self._start("polkitd", [str(polkitd), "--no-debug"])
        until(lambda: "FirewallD1.info" in self._actions(), "polkitd, and what it knows")

    def kill_polkit(self) -> None:
        """End it; its rules are this machine's again."""
        self._kill("polkitd")
        run("umount", str(_RULES))

    def end(self) -> None:
        """End all that was started."""
        if "polkitd" in self._children:
            self.kill_polkit()
        for name in list(self._children):
            self._kill(name)
        shutil.rmtree(self.directory)

    def ask_bus(self, name: str, path: str, *method: str) -> str:
        """One call with D-Bus's own client."""
        return run(
            *("env", f"DBUS_SYSTEM_BUS_ADDRESS={self.address}", "dbus-send", "--system"),
            *("--print-reply=literal", f"--dest={name}", path, *method),
            check=False,
        )

    def _actions(self) -> str:
        """All that polkit may allow."""
        name = "org.freedesktop.PolicyKit1"
        path = "/org/freedesktop/PolicyKit1/Authority"
        return self.ask_bus(name, path, f"{name}.Authority.EnumerateActions", "string:")

    def _start(self, name: str, command: Sequence[str]) -> None:
        # The kernel ends it with the thread that starts it.
        assert threading.current_thread() is threading.main_thread()
        assert name not in self._children, f"{name} runs already"
        with (self.directory / f"{name}.out").open("ab") as out:
            self._children[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def _kill(self, name: str) -> None:
        child = self._children.pop(name)
        child.kill()
        child.wait(15)


@contextmanager
def firewalld(
    backend: str = "nftables", prepare: Callable[[RealFirewalld], None] = lambda _bed: None
) -> Iterator[RealFirewalld]:
    """A bus and a firewalld that runs; ``prepare`` may write its configuration before."""
    bed = RealFirewalld(Path(mkdtemp(prefix="firewalld-", dir="/run")), backend)
    try:
        prepare(bed)
        bed.start_bus()
        bed.start()
        yield bed
    finally:
        bed.end()
