"""Metrics and health over HTTP: read-only, bounded, and never in the daemon's way.

Each address has an accepting thread; each connection gets a thread of its own, up to a limit
and for a limited time, so that clients which are slow, many or stuck cost the daemon
nothing but these. An address that cannot be served is a value to report, no end.
"""

import errno
import logging
from collections.abc import Callable, Iterable
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING

from msgspec import Struct, field

from lvsmarkd.telemetry.metrics import Metrics
from lvsmarkd.telemetry.server import Server

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ListenAddress = tuple[str, int]
"""An IPv4 or IPv6 address, without brackets, and a port (0: the system chooses one)."""
Health = Callable[[], tuple[bool, str]]
"""Whether all is well, and if not, the sentence that says what is wrong."""
Write = Callable[[bytes], object]

_TEXT = "text/plain; charset=utf-8"
_ASKED = frozenset({"HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "QUERY_STRING"})
"""What a client says about the form of the metrics."""
_INDEX = "lvsmarkd\n\n/metrics   for Prometheus\n/healthz   200 while passes are made, else 503\n"

log = logging.getLogger(__name__)


class ListenError(Exception):
    """An address that cannot be served. ``str()`` is a sentence that says what to do."""

    def __init__(self, address: ListenAddress, error: OSError) -> None:
        super().__init__(f"no metrics on {spelled(address)}: {_advice(address, error)}")
        self.address = address


def spelled(address: ListenAddress) -> str:
    """The address as it is written in lvsmarkd.toml and in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _advice(address: ListenAddress, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            port = address[1]
            return (
                f"another program listens there: `ss -ltnp 'sport = :{port}'` names it; stop it,"
                " or choose another port with metrics.listen in lvsmarkd.toml"
            )
        case errno.EADDRNOTAVAIL:
            return "this host does not have the address (now): see `ip address`"
        case errno.EACCES:
            return "not permitted: choose a port from 1024 on"
        case _:
            return error.strerror or str(error)


class Servers(Struct):
    """The servers of some addresses; those that failed can be tried again."""

    app: "WSGIApplication"
    waiting: tuple[ListenAddress, ...]
    """Addresses that are not served."""
    _serving: dict[ListenAddress, Server] = field(default_factory=dict)

    def retry(self) -> tuple[ListenError, ...]:
        """Try all addresses that are not served; gives what failed, and raises nothing."""
        failures = []
        for address in self.waiting:
            try:
                server = Server(address, self.app)
            except OSError as error:
                failures.append(ListenError(address, error))
                continue
            self._serving[address] = server
            # It and the threads of its connections read metrics and health, and write nothing.
            Thread(target=server.serve_forever, name=f"http {address}", daemon=True).start()
        self.waiting = tuple(failure.address for failure in failures)
        return tuple(failures)

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where it is served, with the ports that the system chose."""
        return tuple((host, server.port) for (host, _), server in self._serving.items())

    def close(self) -> None:
        """Stop serving; takes up to half a second."""
        serving, self._serving = self._serving, {}
        for server in serving.values():
            server.shutdown()
            server.server_close()


def start(
    addresses: Iterable[ListenAddress], metrics: Metrics, health: Health
) -> tuple[Servers, tuple[ListenError, ...]]:
    """Serve on all addresses that can be; the second value tells which cannot, and why.

    Call ``retry()`` for those later: nothing else does.
    """
    servers = Servers(application(metrics, health), tuple(dict.fromkeys(addresses)))
    return servers, servers.retry()


def application(metrics: Metrics, health: Health) -> "WSGIApplication":
    """The pages."""
    exposition = cache(lambda: _exposition(metrics))

    def pages(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET":
            headers = [("Content-Type", _TEXT), ("Allow", "GET, HEAD")]
            respond("405 Method Not Allowed", headers)
            return [b"only GET and HEAD\n"]
        try:
            match path:
                case "/metrics":
                    body = _exposed(exposition(), environ, respond)
                case "/healthz":
                    well, sentence = health()
                    body = _text(
                        respond,
                        "200 OK" if well else "503 Service Unavailable",
                        "ok\n" if well else f"{sentence}\n",
                    )
                case "/":
                    body = _text(respond, "200 OK", _INDEX)
                case _:
                    body = _text(respond, "404 Not Found", "no such page: see /\n")
        except Exception:  # its own bug must not show as a traceback to a client
            log.exception("%s could not be served", path)
            body = _text(respond, "500 Internal Server Error", "see the journal of lvsmarkd\n")
        return body

    return without_bodies(pages)


def _exposed(
    exposition: "WSGIApplication", environ: "WSGIEnvironment", respond: "StartResponse"
) -> Iterable[bytes]:
    """The metrics, or 400 where it is the client's words that cannot be followed: the library
    fails at versions in ``Accept`` that are none. Raises what is a bug of ours.
    """
    try:
        return exposition(environ, respond)
    except Exception:  # noqa: BLE001 - asked again without them, it raises what is ours
        plain = {name: value for name, value in environ.items() if name not in _ASKED}
        exposition(plain, lambda *_: lambda _body: None)
        return _text(respond, "400 Bad Request", "the query or a header is not understood\n")


def _exposition(metrics: Metrics) -> "WSGIApplication":
    from prometheus_client import make_wsgi_app  # noqa: PLC0415 - see exposition.py

    from lvsmarkd.telemetry.exposition import registry_of  # noqa: PLC0415 - the same

    app: WSGIApplication = make_wsgi_app(registry_of(metrics))
    return app


def without_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Answer HEAD as GET, with the length that GET would have, and no body."""

    def headless(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, respond)
        kept: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(status: str, headers: list[tuple[str, str]], _error: object = None) -> Write:
            kept.append((status, headers))
            return lambda _body: None

        length = sum(len(part) for part in app({**environ, "REQUEST_METHOD": "GET"}, keep))
        status, headers = kept[-1]
        others = [header for header in headers if header[0] != "Content-Length"]
        respond(status, [*others, ("Content-Length", str(length))])
        return []

    return headless


def _text(respond: "StartResponse", status: str, text: str) -> Iterable[bytes]:
    body = text.encode()
    respond(status, [("Content-Type", _TEXT), ("Content-Length", str(len(body)))])
    return [body]
