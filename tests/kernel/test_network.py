"""Whether another process is in our network namespace."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsmarkd.kernel.network import same_network
from tests.harness.daemon import until

NOBODY = 65534


@pytest.fixture
def processes(netns: None) -> Iterator[tuple[int, int]]:
    """One in our network namespace, and one in another."""
    here = subprocess.Popen(["sleep", "60"])
    there = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    until(lambda: same_network(there.pid) is False, "its namespace")
    yield here.pid, there.pid
    for process in (here, there):
        process.kill()
        process.wait()


@pytest.mark.netns
def test_a_process_of_another_network_namespace_is_told_apart(processes: tuple[int, int]) -> None:
    here, there = processes
    assert same_network(here) is True
    assert same_network(there) is False


@pytest.mark.netns
def test_who_may_not_trace_it_is_told_too(processes: tuple[int, int]) -> None:
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        seen = [same_network(pid) for pid in processes]
        os._exit(0 if seen == [True, False] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_what_cannot_be_seen_is_not_known(tmp_path: Path) -> None:
    assert same_network(os.getpid(), tmp_path) is None
