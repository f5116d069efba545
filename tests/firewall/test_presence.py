"""Whether firewalld is here, where the bus does not always say."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

import pytest

from lvsmarkd.firewall.backend import Backend, FirewallError, Trouble
from lvsmarkd.firewall.firewalld.adapter import BusFirewalld
from lvsmarkd.firewall.firewalld.calls import HERE_TIMEOUT
from lvsmarkd.firewall.firewalld.presence import DELAYS, Presence
from lvsmarkd.firewall.late import LateBackend
from lvsmarkd.model.plan import Plan
from tests.harness.firewalld import RealFirewalld
from tests.harness.paper import PaperFirewall


@dataclass
class Told(BusFirewalld):
    """Says what it is told to say."""

    answers: Iterator[bool | None]
    asked: int = field(default=0)

    def here(self) -> bool | None:
        self.asked += 1
        return next(self.answers)


def test_the_last_answer_stands_while_the_bus_says_nothing_and_it_is_asked_seldom() -> None:
    now = [0.0]
    told = Told(iter([True, None, None, False]))
    presence = Presence(told, lambda: now[0])
    assert presence.here() is True
    assert presence.here() is True
    assert told.asked == 2
    assert presence.here() is True
    assert told.asked == 2
    now[0] = DELAYS[0]
    assert presence.here() is True
    now[0] += DELAYS[0]
    assert presence.here() is True
    assert told.asked == 3
    now[0] += DELAYS[1]
    assert presence.here() is False
    assert told.asked == 4


@pytest.mark.netns
@pytest.mark.parametrize("firewalld_backend", ["nftables"])
@pytest.mark.parametrize("before", [True, False], ids=["connected", "not yet connected"])
def test_a_bus_that_hangs_takes_a_moment(real_firewalld: RealFirewalld, *, before: bool) -> None:
    with BusFirewalld() as ours:
        assert not before or ours.here() is True
        os.kill(real_firewalld.pid("bus"), signal.SIGSTOP)
        start = monotonic()
        assert ours.here() is None
        took = monotonic() - start
        os.kill(real_firewalld.pid("bus"), signal.SIGCONT)
    assert took < HERE_TIMEOUT + 2


def test_a_plan_goes_to_the_firewall_that_was_looked_at() -> None:
    first, second = PaperFirewall(), PaperFirewall()
    places = iter([first, second])
    stamps = iter([1, 2, 2])
    late = LateBackend(lambda: next(places), lambda: next(stamps))
    late.observe()
    late.apply(Plan())
    assert (first.writes, second.writes) == (1, 0)
    assert late.observe() == second.observe()


def test_without_a_firewall_nothing_is_written() -> None:
    def none() -> Backend:
        raise FirewallError(Trouble.GONE, "none")

    late = LateBackend(none, lambda: 1)
    late.observe()
    with pytest.raises(FirewallError, match="no firewall"):
        late.apply(Plan())
