"""The looks at IPVS: what is a change and what is none."""

import asyncio

from lvsmarkd.model.ipvs import KernelServices, LoadedIpvs, NoIpvs
from lvsmarkd.model.service import Family, ServiceKey
from lvsmarkd.model.unknown import Unknown
from lvsmarkd.model.wake import Trigger, Wake
from lvsmarkd.watch.ipvs import IpvsServices
from tests.watch.hearing import Hearing

WEB, MAIL = (LoadedIpvs(frozenset({ServiceKey(Family.INET, mark)})) for mark in (80, 25))
BLIND = Unknown("not now")


def wakes(*looks: KernelServices) -> int:
    """How often it wakes while these are seen, one after the other."""
    hearing = Hearing()
    ended = asyncio.Event()

    async def watch() -> None:
        running = asyncio.get_running_loop()
        seen = iter(looks)

        def look() -> KernelServices:
            following = next(seen, None)
            if following is None:
                running.call_soon_threadsafe(ended.set)
                return looks[-1]
            return following

        task = asyncio.create_task(IpvsServices(hearing, look, pause=0.0).run(hearing.wake))
        await asyncio.wait_for(ended.wait(), 10)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(watch())
    assert set(hearing.wakes) <= {Wake(Trigger.IPVS)}
    return len(hearing.wakes)


def test_a_service_that_comes_or_goes_wakes_once() -> None:
    assert wakes(WEB, WEB, MAIL, MAIL, WEB) == 2
    assert wakes(NoIpvs(), NoIpvs(), WEB) == 1


def test_the_first_look_and_one_that_failed_are_no_change() -> None:
    assert wakes(WEB) == 0
    assert wakes(WEB, BLIND, WEB) == 0
    assert wakes(WEB, BLIND, MAIL) == 1


def test_what_could_not_be_read_at_first_wakes_when_it_can() -> None:
    assert wakes(BLIND, BLIND, WEB) == 1
