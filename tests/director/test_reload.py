"""keepalived is reloaded while clients ask: what its reload is not about goes on undisturbed."""

import pytest

from tests.director.director import (
    DR_FLOWS,
    NAT_FLOWS,
    Director,
    dr,
    nat,
    service,
    vrrp,
)
from tests.director.ground import FTP, NAT4, NAT6, Ground, failed
from tests.director.guest import Guest, until

STAY = vrrp() + nat(NAT_FLOWS)
MAIL = service(25, "DR", ["192.0.2.31", "192.0.2.32"], f"to {FTP} tcp 80")
MOVED = service(26, "DR", ["192.0.2.31", "192.0.2.32"], f"to {FTP} tcp 80")


@pytest.fixture(scope="module")
def world(guest: Guest, ground: Ground, director: Director) -> Director:
    director.settings("[daemon]\nlinger_seconds = 2\n")
    director.configure(STAY)
    director.balance("80 4", "80 6")
    director.start()
    return director


def _reload(world: Director, text: str) -> None:
    """As an operator does: save, and reload a moment later."""
    world.configure(text)
    world.guest.sh("sleep 1; systemctl reload keepalived")


def _rules(guest: Guest) -> str:
    return guest.sh("iptables -t mangle -S LVSMARKD")


def _marked(guest: Guest, mark: int) -> bool:
    return f"--set-xmark {mark:#x}/" in _rules(guest)


def test_services_come_move_and_go_and_nobody_else_notices(
    world: Director, guest: Guest, ground: Ground
) -> None:
    ground.listen(f"{NAT4}:80", f"{NAT6}:80", rate=5)

    world.configure(STAY + MAIL)
    until(lambda: _marked(guest, 25), "the rules of a new service, before keepalived has it")
    assert "25 4" not in world.loaded()
    guest.sh("systemctl reload keepalived")
    until(lambda: "25 4" in world.loaded(), "the new service in IPVS")
    until(lambda: ground.answers(FTP).startswith("dr"), "the new service")

    _reload(world, STAY + MOVED)
    until(lambda: "26 4" in world.loaded(), "the moved service in IPVS")
    until(lambda: _marked(guest, 26) and not _marked(guest, 25), "the new mark alone")
    until(lambda: ground.answers(FTP).startswith("dr"), "the moved service")

    _reload(world, STAY + MOVED + dr(DR_FLOWS))
    until(lambda: {"81 4", "81 6"} <= world.loaded(), "another one in IPVS")
    _reload(world, STAY)
    until(lambda: not {"26 4", "81 4", "81 6"} & world.loaded(), "they are gone from IPVS")
    until(lambda: not _marked(guest, 26) and not _marked(guest, 81), "their rules are gone")

    attempts = ground.heard()
    assert len(attempts) > 100
    assert failed(attempts) == []


def test_a_service_that_leaves_keeps_its_marks_until_it_is_gone(
    world: Director, guest: Guest, ground: Ground
) -> None:
    _reload(world, STAY + MAIL)
    until(lambda: "25 4" in world.loaded() and _marked(guest, 25), "the service")
    until(lambda: ground.answers(FTP).startswith("dr"), "its traffic")
    world.configure(STAY)
    until(lambda: "leftover" in world.ask("status"), "lvsmarkd has read the file")
    guest.sh("sleep 4")  # twice linger_seconds
    assert "25 4" in world.loaded()
    assert _marked(guest, 25)
    assert ground.answers(FTP).startswith("dr")
    guest.sh("systemctl reload keepalived")
    until(lambda: "25 4" not in world.loaded(), "it is gone from IPVS")
    until(lambda: not _marked(guest, 25), "and so are its rules")
