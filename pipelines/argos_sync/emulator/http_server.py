"""The HTTP server: one thread a connection, one write a response."""

from __future__ import annotations

import socket
import socketserver
import sys
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from argos_sync.emulator import control
from argos_sync.emulator.responses import Answer, Refusal, not_found

if TYPE_CHECKING:
    from argos_sync.emulator.emulator import Emulator

_PATH = "/v3/submission"


class Listener(socketserver.ThreadingTCPServer):
    """Knows its open connections, so that stopping it also ends those kept alive."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    emulator: Emulator

    def __init__(self, *args: Any) -> None:
        """Takes the port."""
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Ends every connection; its thread then sees the end of its input and closes it."""
        super().server_close()
        for connection in tuple(self._open):
            _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over clients that hang up; everything else is a bug and printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # The other side may have been first.
        connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 on one connection, which it keeps alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Submissions, or what the control paths read."""
        path, _, query = self.path.partition("?")
        body = self._read_body()
        if path == _PATH:
            self._send(self._emulator.answer(query, body, self.headers.get("x-api-key", "")))
        else:
            self._send(self._control(path, None))

    def do_POST(self) -> None:
        """What the control paths change."""
        self._send(self._control(self.path, self._read_body()))

    def log_message(self, *args: object) -> None:
        """Keeps quiet: requests carry personal data."""

    @property
    def _emulator(self) -> Emulator:
        return cast("Listener", self.server).emulator

    def _read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _control(self, path: str, body: bytes | None) -> Answer:
        name = path.removeprefix(control.PREFIX)
        try:
            if name == path:
                raise not_found()
            if body is None:
                return control.read(self._emulator, name)
            return control.change(self._emulator, name, body)
        except Refusal as refusal:
            return refusal.answer

    def _send(self, answer: Answer) -> None:
        """Writes everything at once: apart, a delayed ACK costs 40 ms a response."""
        if not answer.status:
            self.close_connection = True
            _hang_up(self.connection)
            return
        length = len(answer.body) if answer.length is None else answer.length
        if length != len(answer.body) and not answer.rest:
            self.close_connection = True
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
        ]
        self.wfile.write("\r\n".join([*lines, "\r\n"]).encode() + answer.body)
        for part in answer.rest:
            self.wfile.write(part)
