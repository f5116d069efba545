"""A small HTTP server that clients cannot exhaust: few threads, each for a limited time."""

import io
import socket
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, TextIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

CLIENTS = 8
"""Connections at one time; further ones are closed at once."""
PATIENCE = 10.0
"""Seconds for one connection, all in all: a client that trickles is cut off."""


class _Handler(WSGIRequestHandler):
    timeout = 5.0  # for each read and write

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
