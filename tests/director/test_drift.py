"""Somebody undoes the rules while clients ask: what it costs them, without lvsmarkd and with it."""

from dataclasses import dataclass
from functools import partial

import pytest

from lvsmarkd.telemetry.message import Event
from tests.director.director import NAT_FLOWS, Director, nat, vrrp
from tests.director.figures import Figures
from tests.director.ground import NAT4, Attempt, Ground, failed, outage
from tests.director.guest import until

TARGET = f"{NAT4}:80"
LOOK = 5
"""Seconds for which the clients are watched after a fault, or after the end of what it did."""


@dataclass(frozen=True)
class Fault:
    """What somebody does, and what lvsmarkd says of it in the journal."""

    name: str
    script: str
    event: Event | None
    undoes: bool = True
    """Whether rules are lost by it."""
    guarded: bool = True
    """Whether the guard keeps all packets' marks meanwhile, and nothing else drops them."""


FAULTS = {
    "iptables": (
        Fault("iptables -t mangle -F", "iptables -t mangle -F", Event.REPAIRED),
        Fault("nft flush ruleset", "nft flush ruleset", Event.REPAIRED),
        Fault("lvsmarkd killed", "systemctl kill -s KILL lvsmarkd", Event.STARTED, undoes=False),
        Fault(
            "lvsmarkd killed, then nft flush ruleset",
            "systemctl -q kill -s KILL lvsmarkd || :; nft flush ruleset",
            Event.STARTED,
        ),
    ),
    # While it loads its rules it drops every new connection itself.
    "firewalld": (
        Fault("firewall-cmd --reload", "firewall-cmd --reload", None, guarded=False),
        Fault("nft flush ruleset, firewalld", "nft flush ruleset", Event.REPAIRED, guarded=False),
        Fault("firewalld restarted", "systemctl restart firewalld", None, guarded=False),
        Fault(
            "firewalld stopped", "systemctl stop firewalld", Event.BACKEND_CHANGED, guarded=False
        ),
    ),
}
# What an operator without lvsmarkd has: the same rules, written once, in force and permanent only
# where firewalld makes them so.
_RICH = f'rule family="ipv4" destination address="{NAT4}" port port="80" protocol="tcp"'
_BY_HAND = {
    "iptables": f"iptables -t mangle -A PREROUTING -d {NAT4} -p tcp --dport 80"
    " -j MARK --set-mark 80",
    "firewalld": f"firewall-cmd -q --add-rich-rule='{_RICH} mark set=80'"
    f" --add-rich-rule='{_RICH} accept'",
}


def _told(attempts: list[Attempt], *, ended: bool) -> str:
    new = [one for one in attempts if one.kind == "new"]
    length = f"{outage(attempts):.1f} s" if ended else "does not end"
    return f"{len(failed(new))} of {len(new)} connections, {length}"


def _entries(director: Director, fault: Fault) -> int:
    return len(director.journal(fault.event)) if fault.event else 0


def _more(director: Director, fault: Fault, than: int) -> bool:
    return _entries(director, fault) > than


@pytest.mark.parametrize("firewall", FAULTS)
def test_what_faults_cost(fresh: Director, figures: Figures, firewall: str) -> None:
    guest, ground = fresh.guest, Ground(fresh.guest)
    start = "systemctl restart firewalld" if firewall == "firewalld" else "true"
    fresh.configure(vrrp() + nat(NAT_FLOWS))
    fresh.balance("80 4")
    for fault in FAULTS[firewall]:
        if fault.undoes:
            guest.sh(f"nft flush ruleset; {start}; {_BY_HAND[firewall]}")
            until(lambda: ground.answers(NAT4), "the service, by rules made by hand")
            ground.listen(TARGET)
            guest.sh(f"{fault.script}; sleep {LOOK}")
            ended = bool(ground.answers(NAT4))
            figures.fault(fault.name, "without", _told(ground.heard(), ended=ended))
            assert not ended, f"{fault.name} takes the rules away"

    guest.sh(f"nft flush ruleset; {start}; systemctl start lvsmarkd")
    until(lambda: ground.answers(NAT4), "the service, by lvsmarkd")
    for fault in FAULTS[firewall]:
        # After a firewalld that was away for long, its rules may be in iptables still.
        until(lambda: fresh.keeps_in(firewall), f"{firewall} before {fault.name}")
        said = _entries(fresh, fault)
        ground.listen(TARGET)
        guest.sh(fault.script)
        until(lambda: ground.answers(NAT4), f"the service after {fault.name}")
        guest.sh(f"sleep {LOOK}")
        attempts = ground.heard()
        figures.fault(fault.name, "with", _told(attempts, ended=True))
        assert not attempts[-1].wrong, fault.name
        assert not fault.guarded or failed(attempts) == [], fault.name
        until(lambda: fresh.covered(80) == 1, f"the metric after {fault.name}")
        if fault.event:
            until(partial(_more, fresh, fault, said), f"the journal on {fault.name}")
