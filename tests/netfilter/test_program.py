"""Programs are waited for by the length of time, whatever becomes of the clock."""

import errno
import os
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
