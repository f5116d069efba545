"""A small HTTP server that clients cannot exhaust: few threads, each for a limited time."""

import io
import socket
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from lvsmarkd.model.shortage import is_shortage

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

CLIENTS = 8
"""Connections at one time; further ones are closed at once."""
PATIENCE = 10.0
"""Seconds for one connection, all in all: a client that trickles is cut off."""

SHORTAGE_PAUSE = 0.5
"""Seconds between two tries to take a connection for which there is no descriptor."""


class _Handler(WSGIRequestHandler):
    raw_requestline: bytes
    timeout = 5.0  # for each read and write
    default_request_version = "HTTP/1.0"  # what 0.9 got, an answer without a status, nobody reads

    def handle(self) -> None:
        """Answer one request; one that is none gets 400, whatever it is made of."""
        try:
            super().handle()
        except OSError:
            raise  # the client went away or took too long
        except Exception:  # noqa: BLE001 - its parsers raise what they like
            self._refuse()
        else:
            # A line of blanks the base leaves without an answer.
            if self.raw_requestline and not self.raw_requestline.decode("latin-1").split():
                self._refuse()

    def send_error(self, code: int, *_words: str | None) -> None:
        """An error with its usual phrase; the client's own words are not sent back."""
        super().send_error(code)

    def _refuse(self) -> None:
        self.requestline, self.command = "", "GET"
        self.request_version = self.default_request_version
        self.send_error(HTTPStatus.BAD_REQUEST)

    def address_string(self) -> str:
        """No question to a name server."""
        return str(self.client_address[0])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Who scrapes is no news."""

    def get_stderr(self) -> TextIO:
        """A client that went away is no news either."""
        return io.StringIO()


class Server(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application on one address. Raises OSError if it cannot listen there."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], app: "WSGIApplication") -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._since: dict[socket.socket, float] = {}
        self._guard = Lock()
        super().__init__(address, _Handler)
        self.set_app(app)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.socket.getsockname()[1])

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept one. Without a descriptor for it, it stays ready: not asked again at once."""
        try:
            return super().get_request()
        except OSError as error:
            if is_shortage(error):
                sleep(SHORTAGE_PAUSE)
            raise

    def server_bind(self) -> None:
        """Bind without the base's look-up of the host's name, which may hang."""
        if self.address_family == socket.AF_INET6:
            # So that [::] and 0.0.0.0 can be served side by side, as they are written.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.port
        self.setup_environ()

    def verify_request(self, request: socket.socket, _client: object) -> bool:  # type: ignore[override] # TCP
        """Whether there is room for one more."""
        with self._guard:
            if len(self._since) >= CLIENTS:
                return False
            self._since[request] = monotonic()
            return True

    def service_actions(self) -> None:
        """Cut off who takes too long; called about twice a second."""
        with self._guard:
            for request, since in self._since.items():
                if monotonic() - since > PATIENCE:
                    _hang_up(request)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override] # TCP
        """End a connection; its room is free again."""
        with self._guard:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away or took too long is no news."""


def _hang_up(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it went by itself
