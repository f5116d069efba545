"""The running keepalived, found, with the real one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.keepalived.process.discovery import find_keepalived
from lvsmarkd.keepalived.process.version import installed_build
from lvsmarkd.model.running import RunningKeepalived, Stopped
from lvsmarkd.model.unknown import Unknown
from tests.harness import netns as namespace
from tests.harness.daemon import until
from tests.harness.keepalived import RUN, Keepaliveds
from tests.keepalived.cases import server

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("netns")]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "keepalived.conf"
    path.write_text(server(21))
    return path


@pytest.fixture(autouse=True)
def _no_pid_file(netns: None) -> Iterator[None]:
    yield
    (RUN / "keepalived.pid").unlink(missing_ok=True)


def found(**more: object) -> RunningKeepalived:
    running = find_keepalived(**more)  # type: ignore[arg-type] # passed on
    assert isinstance(running, RunningKeepalived), running
    return running


def stopped(**more: object) -> bool:
    """None runs here; one of another test, elsewhere, may."""
    running = find_keepalived(**more)  # type: ignore[arg-type] # passed on
    return isinstance(running, Stopped) or (
        isinstance(running, RunningKeepalived) and running.elsewhere is True
    )


def test_it_is_found_by_its_pid_file_with_its_options(keepaliveds: Keepaliveds, conf: Path) -> None:
    with keepaliveds.running(conf, "-i", "director1") as director:
        seen = found()
        assert (RUN / "keepalived.pid").read_text() == f"{director.pid}\n"
        ticks = int(Path(f"/proc/{director.pid}/stat").read_text().split()[21])
        assert seen == RunningKeepalived(
            pid=director.pid,
            started=ticks,
            executable=os.path.realpath(shutil.which("keepalived") or ""),
            config=str(conf),
            config_id="director1",
            instance=None,
            net_namespace=None,
            checker=True,
            elsewhere=False,
        )
        build = installed_build(seen.executable)
        assert build is not None
        assert f"Keepalived v{build.dotted} " in director.words()
        assert find_keepalived(known=seen) is seen
        director.stop()
        assert stopped(known=seen)


def test_a_relative_file_is_resolved_against_its_own_directory(
    keepaliveds: Keepaliveds, conf: Path
) -> None:
    with keepaliveds.running(conf, use_file=["-Pf", "./keepalived.conf"], ready="Starting"):
        until((RUN / "keepalived.pid").exists)
        seen = found()
        assert (seen.config, seen.checker) == (str(conf), False)


@pytest.mark.parametrize("lost", ["removed", "not a number", "a stranger's", "its child's"])
def test_a_pid_file_is_not_believed_and_it_is_found_all_the_same(
    keepaliveds: Keepaliveds, conf: Path, lost: str
) -> None:
    pid_file = RUN / "keepalived.pid"
    with keepaliveds.running(conf) as director:
        match lost:
            case "removed":
                pid_file.unlink()
            case "not a number":
                pid_file.write_text("²\0\n")
            case "a stranger's":
                pid_file.write_text(f"{os.getpid()}\n")
            case _:
                pid_file.write_text((RUN / "checkers.pid").read_text())
        assert found().pid == director.pid


def test_a_stale_pid_file_means_nothing(keepaliveds: Keepaliveds, conf: Path) -> None:
    with keepaliveds.running(conf) as director:
        seen = found()
        director.stop(signal.SIGKILL)
        assert (RUN / "keepalived.pid").exists()
        until(stopped, "the children end too")
    with subprocess.Popen(["sleep", "60"]) as other:
        (RUN / "keepalived.pid").write_text(f"{other.pid}\n")
        assert stopped()
        other.kill()
    assert stopped(known=seen)


def test_a_number_that_another_keepalived_has_now_is_not_the_known_one(
    keepaliveds: Keepaliveds, conf: Path
) -> None:
    with keepaliveds.running(conf) as director:
        seen = found()
        before = RunningKeepalived(
            seen.pid, seen.started - 1, "/old", None, None, None, None, True, False
        )
        assert not seen.same_process(before)
        assert find_keepalived(known=before) == seen
        assert seen.pid == director.pid


def test_a_test_of_a_configuration_is_no_daemon(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # It waits for whoever writes into its log.
    with subprocess.Popen(
        ["unshare", "--net", "keepalived", f"--config-test={pipe}", "-f", "/dev/null"]
    ) as tester:
        (RUN / "keepalived.pid").write_text(f"{tester.pid}\n")
        until(lambda: "keepalived" in Path(f"/proc/{tester.pid}/comm").read_text())
        assert stopped()
        tester.kill()


def test_another_users_program_is_no_director(tmp_path: Path) -> None:
    with subprocess.Popen(
        ["setpriv", "--reuid=65534", "--clear-groups", "bash", "-c", "exec -a keepalived sleep 60"]
    ) as other:
        (RUN / "keepalived.pid").write_text(f"{other.pid}\n")
        cmdline = Path(f"/proc/{other.pid}/cmdline")
        until(lambda: cmdline.read_bytes().startswith(b"keepalived\0"))
        assert stopped()
        other.kill()


def test_the_name_of_an_instance_is_in_its_pid_file(keepaliveds: Keepaliveds, conf: Path) -> None:
    conf.write_text("instance web\nglobal_defs {\n process_name lb\n}\n" + server(21))
    with keepaliveds.running(conf) as director:
        assert Path(f"/proc/{director.pid}/comm").read_text() == "lb\n"
        seen = found()
        assert (seen.pid, seen.instance) == (director.pid, "web")


def test_of_several_the_one_of_our_network_with_a_checker_is_meant(
    keepaliveds: Keepaliveds, conf: Path
) -> None:
    only_vrrp = keepaliveds.running(
        conf, "-P", "-p", "/run/vrrp-only.pid", ready="no configuration to run"
    )
    far = keepaliveds.running(conf, prefix=["unshare", "--net"])
    with only_vrrp as vrrp:
        assert (found().pid, found().checker) == (vrrp.pid, False)
        with far as away:
            # Its pid file has the default name.
            assert (found().pid, found().elsewhere) == (vrrp.pid, False)
            (RUN / "keepalived.pid").rename(RUN / "away.pid")
            (RUN / "checkers.pid").unlink()
            with keepaliveds.running(conf, "-p", "/run/mine.pid") as mine:
                assert found().pid == mine.pid
            vrrp.stop()
            # By its pid file: whoever else runs tests here has one elsewhere, too.
            (RUN / "keepalived.pid").write_text(f"{away.pid}\n")
            assert (found().pid, found().elsewhere) == (away.pid, True)


def test_one_in_a_pid_namespace_of_its_own_is_contained(
    keepaliveds: Keepaliveds, conf: Path
) -> None:
    prefix = ["unshare", "--pid", "--fork", "--kill-child"]
    with keepaliveds.running(conf, "-p", str(conf.with_name("pid")), prefix=prefix):
        seen = found()
        assert (seen.contained, seen.elsewhere) == (True, False)
        assert (seen.config, seen.executable) == (None, None)


def test_a_named_network_namespace_is_elsewhere(keepaliveds: Keepaliveds, conf: Path) -> None:
    namespace.run("ip", "netns", "add", "blue")
    try:
        with keepaliveds.running(conf, "-s", "blue") as director:
            seen = found()
            assert (seen.pid, seen.net_namespace) == (director.pid, "blue")
            assert (seen.elsewhere, seen.contained) == (True, False)
    finally:
        namespace.run("ip", "netns", "delete", "blue")


def test_its_unit_is_asked_where_there_is_one(
    keepaliveds: Keepaliveds, conf: Path, tmp_path: Path
) -> None:
    unit = tmp_path / "cgroup/system.slice/keepalived.service"
    unit.mkdir(parents=True)
    with keepaliveds.running(conf, "-p", "/run/other.pid") as director:
        checker = (RUN / "checkers.pid").read_text()
        (unit / "cgroup.procs").write_text(f"{checker}{director.pid}\n")
        seen = found(cgroups=tmp_path / "cgroup")
        assert seen.pid == director.pid


UNPRIVILEGED = """
import sys
from pathlib import Path
from lvsmarkd.keepalived.process.discovery import find_keepalived
print(find_keepalived(Path(sys.argv[1])))
"""


def as_nobody(proc: str, *within: str) -> str:
    return namespace.run(
        *(*within, "setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all"),
        *(sys.executable, "-c", UNPRIVILEGED, proc),
    )


def test_its_namespace_is_seen_without_privileges(keepaliveds: Keepaliveds, conf: Path) -> None:
    with keepaliveds.running(conf) as director:
        said = as_nobody("/proc")
        assert f"pid={director.pid}," in said
        assert f"config='{conf}'" in said
        assert "elsewhere=False" in said
        said = as_nobody("/proc", "unshare", "--net")
        assert f"pid={director.pid}," in said
        assert "elsewhere=True" in said


def test_where_proc_hides_others_it_is_hidden_not_stopped(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    proc.mkdir()
    tmp_path.chmod(0o755)
    namespace.run("mount", "-t", "proc", "-o", "hidepid=invisible", "proc", str(proc))
    try:
        assert "hidepid" in as_nobody(str(proc))
        assert stopped(proc=proc)
        assert isinstance(find_keepalived(tmp_path / "none"), Unknown)
    finally:
        namespace.run("umount", str(proc))


def test_a_look_at_the_known_one_is_cheap(keepaliveds: Keepaliveds, conf: Path) -> None:
    with keepaliveds.running(conf):
        seen = found()
        began = time.perf_counter()
        for _ in range(100):
            assert find_keepalived(known=seen) is seen
        # Far above what it takes (0.03 ms each), and far below a scan of /proc each time.
        assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize("program", [None, "/nonexistent", "/bin/true", "/dev/null"])
def test_what_tells_no_version_has_none(program: str | None) -> None:
    assert installed_build(program) is None
