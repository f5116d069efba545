"""One connection to the system bus, and the only module that knows dbus-next.

What is done otherwise than dbus-next 0.2.3 does it, and why (all measured or read in its source):
a call on a connection that has ended waits for ever; an end of file while it authenticates is
read again and again, and nothing else runs; a full socket ends the connection; the descriptor
of a connection that has ended stays open.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Self

from dbus_next import (
    AuthError,
    BusType,
    InvalidAddressError,
    Message,
    MessageFlag,
    MessageType,
    SignatureTree,
    Variant,
)
from dbus_next.aio import MessageBus
from dbus_next.errors import InvalidSignatureError, SignatureBodyMismatchError
from dbus_next.signature import SignatureType
from msgspec import Struct

from lvsmarkd.backends.firewalld.client.answers import refusal
from lvsmarkd.backends.firewalld.client.calls import (
    BUS_NAME,
    CALL_TIMEOUT,
    CONNECT_TIMEOUT,
    BusError,
    CallFault,
    Request,
)
from lvsmarkd.backends.firewalld.client.signatures import METHODS, SETTINGS

_THE_BUS = "org.freedesktop.DBus"


class Signal(Struct, frozen=True):
    """Something that was told to all who have a match for it."""

    interface: str
    member: str
    path: str
    arguments: tuple[object, ...]


class Connection:
    """A connection: it is used in one event loop, ends once, and is never opened again."""

    def __init__(self, bus: "_Bus") -> None:
        self._bus = bus
        self._end = asyncio.ensure_future(self._until_the_end())

    @classmethod
    async def open(cls, within: float = CONNECT_TIMEOUT) -> Self:
        """Connect to the system bus (DBUS_SYSTEM_BUS_ADDRESS). Raises BusError (NO_BUS)."""
        try:
            bus = _Bus(bus_type=BusType.SYSTEM)
        except (OSError, InvalidAddressError, ValueError) as error:
            raise BusError(
                CallFault.NO_BUS, f"the system bus is not there: {_say(error)}"
            ) from error
        try:
            async with asyncio.timeout(within):
                await bus.connect()
        except TimeoutError as error:
            bus.end()
            raise BusError(
                CallFault.NO_BUS, f"the system bus does not answer for {within:g} s"
            ) from error
        except (OSError, EOFError, AuthError) as error:
            bus.end()
            raise BusError(
                CallFault.NO_BUS, f"the system bus does not take us: {_say(error)}"
            ) from error
        except BaseException:
            bus.end()
            raise
        return cls(bus)

    @property
    def alive(self) -> bool:
        """Whether it may be used."""
        return bool(self._bus.connected)

    async def ended(self) -> str:
        """Wait until it ends; gives why."""
        return await asyncio.shield(self._end)

    async def call(self, request: Request, within: float = CALL_TIMEOUT) -> object:
        """Ask firewalld, which is never started by being asked. Raises as Firewalld.call does."""
        message = Message(
            destination=BUS_NAME,
            path=request.path,
            interface=str(request.interface),
            member=request.method,
            **_typed(request),
            flags=MessageFlag.NO_AUTOSTART,
        )
        answer = await self._answer(message, within)
        values = _plain(answer)
        if answer.message_type is MessageType.ERROR:
            text = values[0] if values and isinstance(values[0], str) else ""
            raise refusal(str(answer.error_name), text, request.method)
        return None if not values else values[0] if len(values) == 1 else values

    async def firewalld(self, within: float = CALL_TIMEOUT) -> int | None:
        """The process that has firewalld's name, by the bus's word; None where nobody has it.

        Raises BusError where the bus does not say.
        """
        answer = await self._ask_bus("GetConnectionUnixProcessID", BUS_NAME, within)
        if answer.message_type is not MessageType.ERROR:
            return int(answer.body[0])
        if answer.error_name == "org.freedesktop.DBus.Error.NameHasNoOwner":
            return None
        raise BusError(CallFault.DENIED, f"the bus does not tell who firewalld is: {answer.body}")

    async def listen(
        self,
        rules: Iterable[str],
        hear: Callable[[Signal], None],
        within: float = CALL_TIMEOUT,
    ) -> None:
        """Have what the match rules name told, and nothing else. Call it once.

        What the bus tells us alone is nothing of it: NameAcquired, some time after connecting.
        """

        def heard(message: Message) -> None:
            if message.message_type is MessageType.SIGNAL and not message.destination:
                hear(Signal(message.interface, message.member, message.path, _plain(message)))

        self._bus.add_message_handler(heard)
        for rule in rules:
            answer = await self._ask_bus("AddMatch", rule, within)
            if answer.message_type is MessageType.ERROR:
                raise BusError(CallFault.DENIED, f"the bus refuses the match {rule}: {answer.body}")

    def close(self) -> None:
        """End it; calls under way raise BusError (NO_BUS)."""
        self._bus.end()

    async def _ask_bus(self, method: str, argument: str, within: float) -> Message:
        """One call of the bus itself."""
        message = Message(
            destination=_THE_BUS,
            path="/org/freedesktop/DBus",
            interface=_THE_BUS,
            member=method,
            signature="s",
            body=[argument],
        )
        return await self._answer(message, within)

    async def _answer(self, message: Message, within: float) -> Message:
        if not self.alive:
            raise BusError(CallFault.NO_BUS, "the connection to the system bus has ended")
        try:
            async with asyncio.timeout(within):
                answer = await self._bus.call(message)
        except TimeoutError as error:
            raise BusError(
                CallFault.TIMEOUT,
                f"firewalld did not answer {message.member} within {within:g} s: it reloads,"
                " is busy with a large change, or hangs",
            ) from error
        except (OSError, EOFError) as error:
            raise BusError(
                CallFault.NO_BUS,
                f"the connection to the system bus ended during {message.member}: {_say(error)}",
            ) from error
        except (SignatureBodyMismatchError, InvalidSignatureError) as error:
            raise ValueError(f"{message.member}: {error}") from error
        if answer is None:
            raise BusError(CallFault.NO_BUS, "the connection to the system bus was closed")
        return answer

    async def _until_the_end(self) -> str:
        try:
            await self._bus.wait_for_disconnect()
            why = "it was closed"
        except Exception as error:  # noqa: BLE001 - whatever ended it, it has ended
            why = _say(error)
        self._bus.end()
        return why


class _Bus(MessageBus):  # type: ignore[misc] # its types are not to be had
    """dbus-next's connection, with what it lacks. It is used inside a running event loop."""

    _over = False

    def end(self) -> None:
        """Close it, whatever its state. Its descriptor is another's afterwards."""
        if self._over:
            return
        self._over = True
        self._user_disconnect = True
        self._finalize(ConnectionAbortedError("it was closed"))
        if not self._disconnect_future.cancelled():
            self._disconnect_future.exception()  # nobody need have waited for it
        with suppress(OSError):
            self._stream.close()
        self._sock.close()

    def send(self, msg: Message) -> "asyncio.Future[None]":
        """As dbus-next does; that a call could not be sent is told to the caller already."""
        sent: asyncio.Future[None] = super().send(msg)
        sent.add_done_callback(lambda done: done.cancelled() or done.exception())
        return sent

    def disconnect(self) -> None:
        """As dbus-next does, without a word about a socket that has ended already."""
        self._user_disconnect = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _setup_socket(self) -> None:
        """Connect at once or not at all: a bus that is stopped does not hold us."""
        why: OSError = FileNotFoundError("its address names no unix socket")
        for transport, options in self._bus_address:
            name = options.get("path") or f"\0{options.get('abstract', '')}"
            if transport != "unix" or name == "\0":
                continue
            ours = _PatientSocket(socket.AF_UNIX, socket.SOCK_STREAM)
            ours.settimeout(0)
            try:
                ours.connect(name)
            except OSError as error:
                ours.close()
                why = error
                continue
            self._sock, self._stream, self._fd = ours, ours.makefile("rwb"), ours.fileno()
            return
        raise why

    async def _auth_readline(self) -> str:
        line = bytearray()
        while not line.endswith(b"\r\n"):
            more = await self._loop.sock_recv(self._sock, 2)
            if not more:
                raise ConnectionResetError("it hung up before it knew who we are")
            line += more
        return line[:-2].decode()


class _PatientSocket(socket.socket):
    """A socket that is full takes nothing now; it is no error, and it is asked again."""

    def send(self, data: memoryview, flags: int = 0) -> int:  # type: ignore[override] # narrower
        try:
            return super().send(data, flags)
        except BlockingIOError:
            return 0


def _typed(request: Request) -> dict[str, Any]:
    """A request's signature and body. Raises ValueError."""
    signature = METHODS[request.interface].get(request.method)
    if signature is None:
        raise ValueError(f"{request.interface}.{request.method} is not in signatures.py")
    types = SignatureTree(signature).types
    if len(types) != len(request.arguments):
        raise ValueError(f"{request.method} takes {signature!r}, not {request.arguments!r}")
    body = [_value(kind, value) for kind, value in zip(types, request.arguments, strict=True)]
    return {"signature": signature, "body": body}


def _value(kind: SignatureType, value: object) -> object:
    """A value as dbus-next wants it: lists for structures, settings with their types."""
    if kind.signature == "a{sv}":
        if not isinstance(value, Mapping):
            raise ValueError(f"settings are a mapping, not {value!r}")
        return {key: _setting(key, setting) for key, setting in value.items()}
    if kind.children:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{kind.signature!r} is a list or a tuple, not {value!r}")
        many = kind.signature.startswith("a")
        parts = kind.children * len(value) if many else kind.children
        if len(parts) != len(value):
            raise ValueError(f"{kind.signature!r} does not fit {value!r}")
        return [_value(part, item) for part, item in zip(parts, value, strict=True)]
    return value


def _setting(key: object, value: object) -> Variant:
    signature = SETTINGS.get(str(key))
    if signature is None:
        raise ValueError(f"the setting {key!r} is not in signatures.py")
    kind = SignatureTree(signature).types[0]
    try:
        return Variant(kind, _value(kind, value))
    except SignatureBodyMismatchError as error:
        raise ValueError(f"the setting {key!r}: {error}") from error


def _plain(message: Message) -> tuple[object, ...]:
    """A message's values without Variants, structures as tuples."""
    kinds = message.signature_tree.types
    return tuple(_unwrapped(k, v) for k, v in zip(kinds, message.body, strict=True))


def _unwrapped(kind: SignatureType, value: object) -> object:
    match kind.token, value:
        case "v", Variant():
            return _unwrapped(value.type, value.value)
        case "(", list() | tuple():
            return tuple(_unwrapped(k, v) for k, v in zip(kind.children, value, strict=True))
        case "a", dict():
            key, item = kind.children[0].children
            return {_unwrapped(key, k): _unwrapped(item, v) for k, v in value.items()}
        case "a", list() if kind.children[0].children or kind.signature == "av":
            return [_unwrapped(kind.children[0], v) for v in value]
        case _:
            return value


def _say(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it hung up"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or repr(error)
