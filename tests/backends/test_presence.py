"""Whether firewalld is here, where the bus does not always say."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

import pytest

from lvsmarkd.backends.backend import Backend
from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.calls import CONNECT_TIMEOUT, HERE_TIMEOUT
from lvsmarkd.backends.firewalld.client.presence import DELAYS, Presence
from lvsmarkd.backends.selector import BackendSelector
from lvsmarkd.model.plan import Plan
from lvsmarkd.netfilter.errors import FirewallError, Trouble
from tests.harness.firewalld import RealFirewalld
from tests.harness.paper import PaperFirewall
from tests.harness.values import carry_out


@dataclass
class Told(BusFirewalld):
    """Says what it is told to say."""

    answers: Iterator[bool | None]
    asked: int = field(default=0)
    within: list[float] = field(default_factory=list)

    def here(self, within: float = HERE_TIMEOUT) -> bool | None:
        self.asked += 1
        self.within.append(within)
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


def test_only_the_first_answer_is_waited_for() -> None:
    told = Told(iter([None, True]))
    presence = Presence(told, iter([0.0, DELAYS[0]]).__next__)
    assert [presence.here(), presence.here()] == [False, True]
    assert told.within == [CONNECT_TIMEOUT, HERE_TIMEOUT]


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


def test_a_plan_goes_to_the_firewall_that_was_looked_at_and_to_no_other() -> None:
    first, second = PaperFirewall(), PaperFirewall()
    hooks = iter([first, second])
    present = ["first"]
    late = BackendSelector(lambda: next(hooks), lambda: present[0])
    late.read()
    carry_out(late, Plan())
    assert (first.writes, second.writes) == (1, 0)
    present[0] = "second"
    with pytest.raises(FirewallError, match="planned anew") as refused:
        carry_out(late, Plan())
    assert refused.value.trouble is Trouble.BUSY
    assert (first.writes, second.writes) == (1, 0)
    late.read()
    carry_out(late, Plan())
    assert (first.writes, second.writes) == (1, 1)


def test_without_a_firewall_nothing_is_written() -> None:
    def none() -> Backend:
        raise FirewallError(Trouble.GONE, "none")

    late = BackendSelector(none, lambda: 1)
    late.read()
    with pytest.raises(FirewallError, match="no firewall"):
        carry_out(late, Plan())
