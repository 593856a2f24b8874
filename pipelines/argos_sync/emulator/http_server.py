"""HTTP on loopback: the responses, and a server with one thread per connection."""

import socket
import socketserver
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

_PATH = "/v3/submission"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response with a number of submissions, its `items`.

    Status 0 closes the connection without a response. `headers` come in addition to the type and
    length of the body, or override them.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    items: int = 0


_NOT_FOUND = Response(404, b'{"message":"Not Found"}')


class HttpServer(socketserver.ThreadingTCPServer):
    """Serve HTTP on 127.0.0.1; closing it also ends the connections that are kept alive."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[str, bytes, str], Response]) -> None:
        """Bind the port; 0 picks a free one, and one that is in use raises OSError.

        `answer` returns the response to a URL query, a body and an API key; many threads call it
        at once.
        """
        self.answer = answer
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
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if (self.command, path) == ("GET", _PATH):
            server = cast("HttpServer", self.server)
            self._send(server.answer(query, body, self.headers.get("x-api-key", "")))
        else:
            self._send(_NOT_FOUND)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Log nothing: requests carry personal data."""

    def _send(self, response: Response) -> None:
        """Write head and body at once: in two writes, a delayed ACK costs 40 ms a response."""
        if not response.status:
            _shut_down(self.connection)
            return
        length = str(len(response.body))
        headers = {"Content-Type": "application/json", "Content-Length": length} | response.headers
        self.close_connection |= headers["Content-Length"] != length
        lines = [
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.wfile.write("\r\n".join([*lines, "\r\n"]).encode() + response.body)
