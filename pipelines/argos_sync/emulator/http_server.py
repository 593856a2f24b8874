"""An HTTP server on loopback with one thread per connection."""

from __future__ import annotations

import socket
import socketserver
import sys
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple, cast

from argos_sync.emulator.responses import Response


class HttpRequest(NamedTuple):
    """One HTTP request, its path and query split."""

    method: str
    path: str
    query: str
    body: bytes
    api_key: str


class HttpServer(socketserver.ThreadingTCPServer):
    """Serve HTTP on 127.0.0.1; closing it also ends the connections that are kept alive."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[HttpRequest], Response]) -> None:
        """Bind the port; 0 picks a free one.

        Args:
            port: The TCP port.
            respond: Returns the response to a request; many threads call it at once.

        Raises:
            OSError: The port is in use.
        """
        self.respond = respond
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the open connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the closed connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Shut every connection down; its thread then reads the end of its input and closes it."""
        super().server_close()
        for connection in tuple(self._open):
            _shut_down(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect; print every other error, which is a bug."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # The client may have closed it first.
        connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    """Read requests from one kept-alive connection and write the responses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, *args: object) -> None:
        """Log nothing: requests carry personal data."""

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api_key = self.headers.get("x-api-key", "")
        server = cast("HttpServer", self.server)
        self._send(server.respond(HttpRequest(self.command, path, query, body, api_key)))

    def _send(self, response: Response) -> None:
        """Write head and body at once: in two writes, a delayed ACK costs 40 ms a response."""
        if not response.status:
            self.close_connection = True
            _shut_down(self.connection)
            return
        length = response.content_length
        if length is None:
            length = len(response.body)
        if length != len(response.body) and not response.rest:
            self.close_connection = True
        lines = [
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        self.wfile.write("\r\n".join([*lines, "\r\n"]).encode() + response.body)
        for part in response.rest:
            self.wfile.write(part)
