"""A malicious server: it sends raw bytes over TCP or TLS until the client disconnects."""

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
"""Return the bytes to send for a path with query, and an API key."""

BLOCK = 16 * 1024 * 1024
"""Size of one part of a decompression bomb, decompressed, in bytes."""


class HostileServer(socketserver.ThreadingTCPServer):
    """Listen on 127.0.0.1 while the `with` block runs.

    Args:
        answer: Returns the bytes to send.
        tls: Use TLS.

    Attributes:
        connections: Number of connections.
        keys: API key of each request.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        """Choose a free port."""
        self.answer, self.tls = answer, tls
        self.connections = 0
        self.keys: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def __enter__(self) -> Self:
        """Start to listen."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; open connections end when the client ends them."""
        self.shutdown()
        self.server_close()

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        """Return the base URL."""
        return f"{scheme}://{host}:{self.server_address[1]}/v3"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Count a connection; its thread performs the TLS handshake."""
        self.connections += 1
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address


class _Handler(socketserver.StreamRequestHandler):
    """Read one request, and send the answer as far as the client reads it."""

    def handle(self) -> None:
        server = cast("HostileServer", self.server)
        with suppress(OSError):
            lines = itertools.takewhile(lambda line: line != b"\r\n", self.rfile)
            head = b"".join(lines).decode("latin-1")
            if not head:
                return  # a client that rejects the certificate sends no request
            path = head.split()[1]
            (key,) = [line[11:] for line in head.splitlines() if line.startswith("x-api-key: ")]
            server.keys.append(key)
            for part in server.answer(path, key):
                self.wfile.write(part)

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


def head(*lines: str, status: str = "200 OK") -> bytes:
    """Return the head of a response whose body ends with the connection."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "\r\n"]).encode()


def complete(body: bytes, *lines: str) -> Parts:
    """Return a response with a Content-Length."""
    return [head(f"Content-Length: {len(body)}", *lines) + body]


def bomb(encoding: str) -> Iterator[bytes]:
    """Yield four gigabytes of spaces, compressed to four megabytes."""
    compressor = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    parts = [
        compressor.compress(b" " * BLOCK) + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    ]
    yield head(f"Content-Encoding: {encoding}") + parts[0]
    yield from itertools.repeat(parts[1], 255)


def endless() -> Iterator[bytes]:
    """Yield a response whose body never ends."""
    yield head()
    yield from itertools.repeat(b" " * 2**20)


def endless_head() -> Iterator[bytes]:
    """Yield a response whose headers never end."""
    yield b"HTTP/1.1 200 OK\r\n"
    yield from itertools.repeat(b"X-Flood: %b\r\n" % (b"x" * 1000))


def nested(levels: int) -> bytes:
    """Return a page with one submission, nested to a depth."""
    deep = b"[" * levels + b"]" * levels
    row = b'{"submission_id":"deep","created_at":"2025-01-05-00-00-00-000","new":%b}' % deep
    return b'{"Items":[%b]}' % row


ATTACKS: dict[str, Callable[[], Parts]] = {
    "gzip bomb": lambda: bomb("gzip"),
    "deflate bomb": lambda: bomb("deflate"),
    "compressed twice": lambda: complete(b"?", "Content-Encoding: gzip, gzip"),
    "brotli": lambda: complete(b"?", "Content-Encoding: br"),
    "endless": endless,
    "endless head": endless_head,
    "nested": lambda: complete(nested(100_000)),
    "not UTF-8": lambda: complete(b'{"Items":["\xff\xfe\xc0"]}'),
    "gigantic numbers": lambda: complete(b'{"Items":%b}' % (b"9" * 5_000_000)),
}
"""Responses that must neither crash a process nor count as a page, by name."""
