"""Programs are waited for by the length of time, whatever becomes of the clock."""

import errno
import os
import signal
import time

import pytest

from lvsmarkd.netfilter.errors import FirewallError
from lvsmarkd.netfilter.program import run

LINGERS = ("/bin/sh", "-c", "exec >&- 2>&-; exec sleep 0.3")
"""Says that it has printed all, and ends later."""


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set: what sleeps until a moment of it is told that there is no such one."""

    def sleep(_seconds: float) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(time, "sleep", sleep)


@pytest.mark.usefixtures("set_clock")
def test_a_clock_that_is_set_disturbs_no_wait_for_a_program() -> None:
    assert run(LINGERS).status == 0


@pytest.mark.usefixtures("set_clock")
def test_nor_does_it_lengthen_one() -> None:
    with pytest.raises(FirewallError, match="did not end within"):
        run(LINGERS, timeout=0.05)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_what_cannot_be_killed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that is stuck in the kernel: the signal waits there with it."""
    started: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda _group, _signal: None)
    began = time.monotonic()
    try:
        with pytest.raises(FirewallError, match="did not end within"):
            run(("/bin/sleep", "60"), timeout=0.05, on_spawn=started.append)
        assert time.monotonic() - began < 10
    finally:
        os.kill(started[0], signal.SIGKILL)
        os.waitpid(started[0], 0)
