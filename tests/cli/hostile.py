"""A server that means harm: raw bytes as an answer, over TCP or TLS, until the client hangs up."""

from __future__ import annotations

import itertools
import socket
import socketserver
import ssl
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Self, cast

Parts = Iterable[bytes]
Answer = Callable[[str, str], Parts]
"""What is sent for a path, with query, and a key."""

BLOCK = 16 * 1024 * 1024
"""Bytes that a part of a bomb unpacks to."""


class Hostile(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1 between `with` and its end.

    Args:
        answer: What is sent.
        tls: Speak TLS.

    Attributes:
        visits: How often somebody connected.
        keys: The key of each request.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        """Takes a free port."""
        self.answer, self.tls = answer, tls
        self.visits = 0
        self.keys: list[str] = []
        super().__init__(("127.0.0.1", 0), _Conversation)

    def __enter__(self) -> Self:
        """Listens."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops; conversations end when the client does."""
        self.shutdown()
        self.server_close()

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Where it listens."""
        return f"{scheme}://{host}:{self.server_address[1]}/v3"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Counts a connection; the handshake is left to the thread of the conversation."""
        self.visits += 1
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address


class _Conversation(socketserver.StreamRequestHandler):
    """One request, and the answer as far as it is taken."""

    def handle(self) -> None:
        server = cast("Hostile", self.server)
        with suppress(OSError):
            lines = itertools.takewhile(lambda line: line != b"\r\n", self.rfile)
            head = b"".join(lines).decode("latin-1")
            if not head:
                return  # who found the certificate wanting asks for nothing
            path = head.split()[1]
            (key,) = [line[11:] for line in head.splitlines() if line.startswith("x-api-key: ")]
            server.keys.append(key)
            for part in server.answer(path, key):
                self.wfile.write(part)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer whose body ends with the connection."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "\r\n"]).encode()


def whole(body: bytes, *lines: str) -> Parts:
    """An answer of a known length."""
    return [head(f"Content-Length: {len(body)}", *lines) + body]


def bomb(encoding: str) -> Iterator[bytes]:
    """Four gigabytes of spaces in four megabytes."""
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    parts = [packer.compress(b" " * BLOCK) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)]
    yield head(f"Content-Encoding: {encoding}") + parts[0]
    yield from itertools.repeat(parts[1], 255)


def endless() -> Iterator[bytes]:
    """A body without length and end."""
    yield head()
    yield from itertools.repeat(b" " * 2**20)


def endless_head() -> Iterator[bytes]:
    """Header lines without end."""
    yield b"HTTP/1.1 200 OK\r\n"
    yield from itertools.repeat(b"X-Flood: %b\r\n" % (b"x" * 1000))


def nested(levels: int) -> bytes:
    """A page with a submission that is nested so deeply."""
    deep = b"[" * levels + b"]" * levels
    row = b'{"submission_id":"deep","created_at":"2025-01-05-00-00-00-000","new":%b}' % deep
    return b'{"Items":[%b]}' % row


ATTACKS: dict[str, Callable[[], Parts]] = {
    "gzip bomb": lambda: bomb("gzip"),
    "deflate bomb": lambda: bomb("deflate"),
    "packed twice": lambda: whole(b"?", "Content-Encoding: gzip, gzip"),
    "brotli": lambda: whole(b"?", "Content-Encoding: br"),
    "endless": endless,
    "endless head": endless_head,
    "nested": lambda: whole(nested(100_000)),
    "not UTF-8": lambda: whole(b'{"Items":["\xff\xfe\xc0"]}'),
    "gigantic numbers": lambda: whole(b'{"Items":%b}' % (b"9" * 10_000_000)),
}
"""What must neither end a process nor pass for a page."""
