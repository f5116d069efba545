"""What a command does not need is not imported: a start is most of what a command costs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CONF = "virtual_server fwmark 80 {\n    # lvsmarkd: to 192.0.2.10 tcp 80\n    protocol TCP\n}\n"
_DAEMONS = {"asyncio", "dbus_next", "prometheus_client", "pyroute2", "ssl", "systemd", "watchdog"}
_MAIN = "from lvsmarkd.cli.main import main; main(sys.argv[1:])"


def _imported(code: str, *arguments: str, environment: dict[str, str] | None = None) -> set[str]:
    """The modules that a program has imported at its end."""
    code = f"import sys; {code}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("backend", ["auto", "iptables"])
@pytest.mark.parametrize("command", ["marks", "plan"])
def test_a_command_imports_nothing_of_the_daemon(
    command: str, backend: str, tmp_path: Path
) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(_CONF)
    bus = f"unix:path={tmp_path}/none"  # where one is, firewalld is asked whether it is there
    imported = _imported(
        *(_MAIN, command, "--keepalived-conf", str(conf), "--backend", backend),
        environment={"DBUS_SYSTEM_BUS_ADDRESS": bus, "STATE_DIRECTORY": str(tmp_path)},
    )
    assert imported >= {"lvsmarkd.judge.desired", f"lvsmarkd.cli.commands.{command}"}
    assert imported & _DAEMONS == set()


def test_a_question_to_the_daemon_imports_neither_reader_nor_judge(tmp_path: Path) -> None:
    imported = _imported(_MAIN, "status", environment={"RUNTIME_DIRECTORY": str(tmp_path)})
    assert "lvsmarkd.cli.commands.status" in imported
    assert imported & _DAEMONS == set()
    assert imported & {"lvsmarkd.judge", "lvsmarkd.keepalived", "lvsmarkd.backends"} == set()


def test_the_daemon_imports_of_pyroute2_the_socket_and_the_rest_of_it_is_to_be_had() -> None:
    wiring = "import lvsmarkd.daemon.wiring"
    imported = _imported(wiring)
    assert "pyroute2.netlink.nlsocket" in imported
    assert imported & {"pyroute2", "pyroute2.iproute", "pyroute2.ndb.main", "sqlite3"} == set()
    assert imported & {"dbus_next", "prometheus_client"} == set()
    assert "pyroute2.iproute" in _imported(f"{wiring}; from pyroute2 import IPRoute")
