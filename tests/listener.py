"""A real HTTP server on loopback that records what is posted to it."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Post:
    """One POST request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Listener:
    """Record and answer every POST while the context is open.

    Attributes:
        posts: The requests, in order.
        status: Status of the response; None sends no response until the context closes.
        headers: Headers of the response.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        self.posts: list[Post] = []
        self.status: int | None = 200
        self.headers: dict[str, str] = {}
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.posts.append(Post(self.path, headers, body))
                if outer.status is None:
                    outer._closing.wait()
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Return its URL without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and release the requests that still wait."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
