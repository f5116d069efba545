"""firewalld's word, with the real one."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lvsmarkd.backends.firewalld.client.adapter import BusFirewalld
from lvsmarkd.backends.firewalld.client.bus import Connection, Signal
from lvsmarkd.backends.firewalld.client.calls import (
    BUS_NAME,
    CONFIG_PATH,
    BusError,
    Interface,
    Request,
)
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.firewalld import MATCHES, PAUSE, FirewalldEvents
from lvsmarkd.watch.nftables import NftablesEvents, firewalld_tables
from lvsmarkd.watch.own_writers import OwnWriters
from lvsmarkd.watch.source import SourceFailedError, keep
from tests.harness.firewalld import RealFirewalld
from tests.harness.netns import run
from tests.harness.substitute import substitute
from tests.watch.hearing import Hearing, running

pytestmark = pytest.mark.netns
RULE = (
    'rule family="ipv4" destination address="192.0.2.1" port port="80" protocol="tcp" mark set=80'
)
SETTLED = 2 * PAUSE + 0.2


async def calm(hearing: Hearing) -> None:
    """Until nothing more is said."""
    said = -1
    while said != len(hearing.wakes):
        said = len(hearing.wakes)
        await asyncio.sleep(SETTLED)
    hearing.wakes.clear()


async def wakes(
    hearing: Hearing, what: Callable[[], object], least: int = 1, most: int = 3
) -> None:
    """That something wakes, and that it ends."""
    await asyncio.to_thread(what)
    await hearing.until(lambda: hearing.wakes)
    await asyncio.sleep(SETTLED)
    assert least <= len(hearing.wakes) <= most, what
    assert set(hearing.wakes) == {Wake(Trigger.DBUS)}
    await calm(hearing)


@pytest.mark.parametrize(
    "arguments",
    [
        "--add-rich-rule=rule protocol value=vrrp accept",
        "--add-rich-rule=rule protocol value=vrrp accept --timeout=1",
        "--add-port=80/tcp --zone=internal",
        "--policy=allow-host-ipv6 --add-port=80/tcp",
        "--permanent --add-port=80/tcp",
        "--permanent --policy=allow-host-ipv6 --add-port=80/tcp",
        "--permanent --new-policy=ours",
        "--permanent --new-zone=ours",
        "--add-interface=lo --zone=trusted",
        "--add-source=192.0.2.0/24 --zone=trusted",
        "--set-default-zone=trusted",
        "--direct --add-rule ipv4 mangle PREROUTING 0 -j MARK --set-mark 1",
        "--permanent --direct --add-rule ipv4 mangle PREROUTING 0 -j MARK --set-mark 1",
        "--panic-on",
        "--reload",
        "--complete-reload",
        "--runtime-to-permanent",
    ],
)
@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_what_anybody_changes_wakes_and_not_for_ever(
    arguments: str, real_firewalld: RealFirewalld
) -> None:
    words = arguments.split(" --")
    options = [words[0], *(f"--{word}" for word in words[1:])]
    if "--direct" in arguments:
        options = arguments.split()

    async def check() -> None:
        hearing = Hearing()
        async with running(FirewalldEvents(hearing), hearing):
            await wakes(hearing, lambda: real_firewalld.cmd(*options), most=4)
        assert hearing.ups == ["firewalld"]
        assert hearing.downs == []

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_reading_wakes_nobody(adapter: BusFirewalld, real_firewalld: RealFirewalld) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(FirewalldEvents(hearing), hearing):
            await asyncio.to_thread(adapter.state)
            await asyncio.to_thread(adapter.call, Interface.ZONE, "getZoneSettings2", "public")
            await asyncio.to_thread(real_firewalld.cmd, "--list-all-zones")
            await hearing.silence()

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_an_own_change_wakes_once_and_its_file_once_more(
    adapter: BusFirewalld, real_firewalld: RealFirewalld
) -> None:
    """Both planes are written; firewalld tells of its own file some 5 s later, too."""

    def write() -> None:
        settings = {"ingress_zones": ["ANY"], "egress_zones": ["HOST"], "rich_rules": [RULE]}
        adapter.call(Interface.CONFIG, "addPolicy", "ours", settings, path=CONFIG_PATH)
        adapter.call(Interface.ZONE, "addRichRule", "public", RULE, 0)

    async def check() -> None:
        hearing = Hearing()
        async with running(FirewalldEvents(hearing), hearing):
            await asyncio.to_thread(write)
            await asyncio.sleep(SETTLED)
            assert 1 <= len(hearing.wakes) <= 2
            await asyncio.sleep(8)
            assert len(hearing.wakes) <= 4, "each answered by a pass that changes nothing"
            hearing.wakes.clear()
            await asyncio.sleep(2)
            assert hearing.wakes == []

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_reload_sends_few_of_its_signals_to_us(real_firewalld: RealFirewalld) -> None:
    async def check() -> None:
        heard: list[Signal] = []
        connection = await Connection.open()
        await connection.listen(MATCHES, heard.append)
        await asyncio.to_thread(real_firewalld.cmd, "--reload")
        async with asyncio.timeout(5):
            while "Reloaded" not in {signal.member for signal in heard}:
                await asyncio.sleep(0.01)
        connection.close()
        kinds = {(s.interface.removeprefix("org.fedoraproject."), s.member) for s in heard}
        assert len(heard) <= 30, kinds

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_what_the_bus_tells_us_alone_is_not_heard(real_firewalld: RealFirewalld) -> None:
    """As NameAcquired, which on a busy machine comes when we listen already."""
    real_firewalld.stop()

    async def check() -> None:
        heard: list[Signal] = []
        connection = await Connection.open()
        await connection.listen((), heard.append)
        await connection._bus.request_name(BUS_NAME)  # noqa: SLF001 - who gets a name is told so
        await connection._bus.release_name(BUS_NAME)  # noqa: SLF001 - and who loses it
        with pytest.raises(BusError):
            await connection.call(Request(Interface.MAIN, "getDefaultZone"))
        connection.close()
        assert heard == []

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_restart_wakes_when_it_is_gone_and_when_its_rules_are_there(
    real_firewalld: RealFirewalld,
) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(FirewalldEvents(hearing), hearing):
            real_firewalld.stop()
            await hearing.until(lambda: hearing.wakes)
            await calm(hearing)
            with substitute("INIT") as starting:
                await asyncio.sleep(1)
                assert hearing.wakes == [], "its name alone is no reason to look"
                starting.state = "RUNNING"
                await hearing.until(lambda: hearing.wakes)
                await calm(hearing)
            await hearing.until(lambda: hearing.wakes)
            await calm(hearing)
            real_firewalld.start("")
            await hearing.until(lambda: hearing.wakes)
            assert real_firewalld.state() == "RUNNING"
            assert hearing.downs == [], "the bus is there, and it hears"
            await calm(hearing)
            real_firewalld.kill()
            await hearing.until(lambda: hearing.wakes)

    asyncio.run(check())


@pytest.mark.parametrize("firewalld_backend", ["nftables"], indirect=True)
def test_a_bus_that_ends_is_told_and_a_new_one_found(real_firewalld: RealFirewalld) -> None:
    async def check() -> None:
        hearing = Hearing()
        kept = asyncio.create_task(
            keep(FirewalldEvents(hearing), hearing.wake, hearing, restarts=(0.1,))
        )
        await hearing.until(lambda: hearing.ups)
        real_firewalld.kill_bus()
        await hearing.until(lambda: hearing.downs)
        name, reason = hearing.downs[0]
        assert name == "firewalld"
        assert "the bus is gone" in reason
        await hearing.until(lambda: len(hearing.downs) > 1)
        assert "the system bus is not there" in hearing.downs[-1][1]
        real_firewalld.kill()
        hearing.wakes.clear()
        real_firewalld.start_bus()
        await hearing.until(lambda: len(hearing.ups) == 2)
        real_firewalld.start("")
        await hearing.until(lambda: Wake(Trigger.DBUS) in hearing.wakes)
        kept.cancel()
        with suppress(asyncio.CancelledError):
            await kept

    asyncio.run(check())


def test_what_is_done_behind_its_back_the_kernel_tells(real_firewalld: RealFirewalld) -> None:
    nft = real_firewalld.backend == "nftables"
    chain = ("inet", "firewalld", "mangle_PRE_public_allow") if nft else ("PRE_public_allow",)
    behind = ("nft", "flush", "chain") if nft else ("iptables", "-t", "mangle", "-F")
    real_firewalld.cmd(f"--add-rich-rule={RULE}")

    async def check() -> None:
        hearing, deaf = Hearing(), Hearing()
        kernel = NftablesEvents(hearing, OwnWriters(), firewalld_tables)
        async with running(kernel, hearing), running(FirewalldEvents(deaf), deaf):
            await asyncio.to_thread(run, *behind, *chain)
            await hearing.until(lambda: hearing.wakes)
            await deaf.silence()
        assert {wake.trigger for wake in hearing.wakes} == {Trigger.NETLINK}
        assert RULE in await asyncio.to_thread(real_firewalld.cmd, "--list-rich-rules")

    asyncio.run(check())


def test_without_a_bus_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    hearing = Hearing()
    with pytest.raises(SourceFailedError, match="the system bus is not there"):
        asyncio.run(FirewalldEvents(hearing).run(hearing.wake))
    assert hearing.ups == []


def test_it_sleeps_while_nothing_happens(real_firewalld: RealFirewalld) -> None:
    async def check() -> None:
        hearing = Hearing()
        async with running(FirewalldEvents(hearing), hearing):
            before = time.process_time()
            await asyncio.sleep(1)
            assert time.process_time() - before < 0.01
            assert hearing.wakes == []

    asyncio.run(check())
