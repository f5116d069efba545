"""Runs the source of nf_tables' events, and prints why it failed."""

import asyncio

from lvsmarkd.watch.nftables import NftablesEvents
from lvsmarkd.watch.own_writers import OwnWriters
from lvsmarkd.watch.source import SourceFailedError
from tests.watch.hearing import Hearing

if __name__ == "__main__":
    hearing = Hearing()
    try:
        asyncio.run(NftablesEvents(hearing, OwnWriters()).run(hearing.wake))
    except SourceFailedError as error:
        print(error)  # noqa: T201 - that is its job
