"""firewalld, asked from threads that wait: a thread of its own speaks to the bus."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent import futures
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from msgspec import Struct, field

from lvsmarkd.backends.firewalld.client.calls import (
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    HERE_TIMEOUT,
    IN_FLIGHT,
    MAIN_PATH,
    BusError,
    CallFault,
    FirewalldError,
    Interface,
    Request,
    RunState,
)
from lvsmarkd.backends.firewalld.client.system_bus import connect
from lvsmarkd.kernel.network import same_network
from lvsmarkd.model.backoff import Backoff

if TYPE_CHECKING:
    from lvsmarkd.backends.firewalld.client.bus import Connection

BACKOFF = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds in which a bus that could not be reached is not tried again: after the first failure
in a row, the second, and so on; the last one for ever. Calls fail at once meanwhile."""
STATE_TIMEOUT = 5.0
_LONGEST_START = 10.0
"""Seconds: one that starts answers nobody, so that one which says for so long that it does, or
says so after it ran, is stuck halfway."""
_MARGIN = 1.0
"""Seconds by which a waiting thread outwaits what it waits for, which is bounded itself."""
_STATES = {
    "RUNNING": RunState.RUNNING,
    "INIT": RunState.STARTING,
    "FAILED": RunState.FAILED,
}
_FAULTS = {
    CallFault.NO_BUS: RunState.NO_BUS,
    CallFault.NO_OWNER: RunState.STOPPED,
    CallFault.TIMEOUT: RunState.SILENT,
    CallFault.DENIED: RunState.DENIED,
    CallFault.CLOSED: RunState.NO_BUS,
}
T = TypeVar("T")


class BusFirewalld:
    """The real one (see FirewalldClient). Nothing is begun before the first call.

    It may be asked from several threads. A child of a fork must make its own.
    """

    def __init__(self) -> None:
        self._line = _Line()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._starting_since: float | None = None
        """When it first said so; -inf where it ran before. None while it has not said so."""

    def call(
        self,
        interface: Interface,
        method: str,
        *arguments: object,
        path: str = MAIN_PATH,
        timeout: float = CALL_TIMEOUT,
    ) -> object:
        """One call; see FirewalldClient."""
        request = Request(interface, method, arguments, path)
        return self._wait(self._line.ask(request, timeout), timeout)

    def calls(
        self, requests: Sequence[Request], *, timeout: float = CALL_TIMEOUT
    ) -> list[object | FirewalldError]:
        """Several, at most IN_FLIGHT at once; see FirewalldClient."""
        if not requests:
            return []
        return self._wait(self._line.ask_all(requests, timeout), timeout * len(requests))

    def property(self, name: str, interface: Interface = Interface.MAIN) -> object:
        """A property; see FirewalldClient."""
        return self.call(Interface.PROPERTIES, "Get", str(interface), name)

    def state(self) -> RunState:
        """How firewalld is; see FirewalldClient."""
        try:
            if self._elsewhere(STATE_TIMEOUT):
                return RunState.ELSEWHERE
            state = self._halfway_or(self._said())
            if state in {RunState.RUNNING, RunState.DENIED}:
                panic = self.call(Interface.MAIN, "queryPanicMode", timeout=STATE_TIMEOUT)
                return RunState.PANIC if panic else RunState.RUNNING
        except BusError as error:
            if error.fault in {CallFault.NO_OWNER, CallFault.NO_BUS}:
                self._starting_since = None  # the next one is another one
            return _FAULTS[error.fault]
        except FirewalldError:
            return RunState.FAILED
        return state

    def _halfway_or(self, state: RunState) -> RunState:
        """What a state means after those before it."""
        match state:
            case RunState.STARTING:
                if self._starting_since is None:
                    self._starting_since = monotonic()
                stuck = monotonic() - self._starting_since >= _LONGEST_START
                return RunState.HALFWAY if stuck else state
            case RunState.RUNNING | RunState.DENIED:
                self._starting_since = -inf
        return state

    def here(self, within: float = HERE_TIMEOUT) -> bool | None:
        """Whether there is one here; see FirewalldClient."""
        try:
            return self._elsewhere(within, connect=0.0) is False
        except BusError as error:
            return None if error.fault is CallFault.TIMEOUT else False

    def _elsewhere(self, within: float, *, connect: float = CONNECT_TIMEOUT) -> bool | None:
        """Whether it is in another network namespace, as far as can be seen; None where there is
        none. Raises BusError.
        """
        pid = self._wait(self._line.firewalld(within), within, connect=connect)
        return None if pid is None else same_network(pid) is False

    def _said(self) -> RunState:
        """What it calls its state; DENIED where it tells only those who may change it, too
        (1.3.3: its properties ask for the action config). It answers others when it runs.
        """
        arguments = (str(Interface.MAIN), "state")
        try:
            said = self.call(Interface.PROPERTIES, "Get", *arguments, timeout=STATE_TIMEOUT)
        except BusError as error:
            if error.fault is CallFault.DENIED:
                return RunState.DENIED
            raise
        return _STATES.get(str(said), RunState.FAILED)

    def close(self) -> None:
        """End it; see FirewalldClient."""
        with self._lock:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None or os.getpid() != self._pid:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CALL_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _wait(
        self, work: Coroutine[Any, Any, T], timeout: float, *, connect: float = CONNECT_TIMEOUT
    ) -> T:
        try:
            future = self._submit(work)
        except BusError:
            work.close()
            raise
        try:
            return future.result(timeout + (connect + _MARGIN if connect else 0.0))
        except futures.TimeoutError as error:
            future.cancel()
            raise BusError(CallFault.TIMEOUT, f"no answer within {timeout:g} s") from error
        except futures.CancelledError as error:
            raise BusError(CallFault.CLOSED, "the connection to firewalld was closed") from error

    def _submit(self, work: Coroutine[Any, Any, T]) -> "futures.Future[T]":
        if os.getpid() != self._pid:
            raise BusError(CallFault.CLOSED, "a child of a fork has no connection to firewalld")
        with self._lock:
            if self._closed:
                raise BusError(CallFault.CLOSED, "the connection to firewalld was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop, self._line), name="firewalld", daemon=True
                )
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)


def _serve(loop: asyncio.AbstractEventLoop, line: "_Line") -> None:
    """The thread: run until stopped, then cancel what is under way and hang up."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(line.hang_up())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Line(Struct):
    """The connection that there is, or the next one; all in the thread's event loop."""

    clock: Callable[[], float] = monotonic
    _connection: "Connection | None" = None
    _dial: "asyncio.Task[Connection] | None" = None
    _backoff: Backoff = field(default_factory=lambda: Backoff(BACKOFF))
    _trouble: str = ""
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def ask(self, request: Request, within: float) -> object:
        """One call. Its time runs from the moment it is its turn."""
        async with self._room:
            connection = await self._connected()
            try:
                return await connection.call(request, within)
            except BusError as error:
                if error.fault is CallFault.TIMEOUT:
                    # What it has not begun, it refuses once nobody is there to have asked for
                    # it (measured): a change that we gave up is not made minutes later.
                    connection.close()
                raise

    async def firewalld(self, within: float) -> int | None:
        """The process that has its name. Of the bus itself one call more may be under way."""
        return await (await self._connected()).firewalld(within)

    async def ask_all(
        self, requests: Sequence[Request], within: float
    ) -> list[object | FirewalldError]:
        """All, begun in their order."""
        answers: list[object | FirewalldError] = [None] * len(requests)
        rest = iter(enumerate(requests))
        failures: list[BusError] = []
        askers = (self._ask_some(rest, answers, failures, within) for _ in range(IN_FLIGHT))
        await asyncio.gather(*askers)
        if failures:
            raise failures[0]
        return answers

    async def _ask_some(
        self,
        rest: Iterator[tuple[int, Request]],
        answers: list[object | FirewalldError],
        failures: list[BusError],
        within: float,
    ) -> None:
        for number, request in rest:
            try:
                answers[number] = await self.ask(request, within)
            except FirewalldError as error:
                answers[number] = error
            except BusError as error:
                failures.append(error)
            if failures:
                return

    async def _connected(self) -> "Connection":
        """The connection, made anew where it has ended. Raises BusError (NO_BUS)."""
        if self._connection is not None and self._connection.alive:
            return self._connection
        if self._dial is None:
            if not self._backoff.due(self.clock()):
                raise BusError(CallFault.NO_BUS, self._trouble)
            self._dial = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._dial)

    async def _open(self) -> "Connection":
        try:
            self._connection = await connect()
        except BusError as error:
            self._backoff, self._trouble = self._backoff.failed(self.clock()), str(error)
            raise
        else:
            self._backoff = self._backoff.over()
            return self._connection
        finally:
            self._dial = None

    async def hang_up(self) -> None:
        """End all that is under way."""
        if self._connection is not None:
            self._connection.close()
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
