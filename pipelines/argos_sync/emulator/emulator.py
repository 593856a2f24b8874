"""The emulator itself: one object that holds the store, the settings and the HTTP server."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import orjson

from argos_sync.emulator import control
from argos_sync.emulator.behaviour import Behaviour, Faults
from argos_sync.emulator.faults import FaultInjector
from argos_sync.emulator.http_server import HttpRequest, HttpServer
from argos_sync.emulator.pagination import Page, Paginator
from argos_sync.emulator.parameters import authorize, envelope_for, parse_query, read_parameters
from argos_sync.emulator.responses import Refusal, Response, unknown_path
from argos_sync.emulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from argos_sync.emulator.store import Section

_PATH = "/v3/submission"
_IMAGE = re.compile(rb'"(https?://[^"\\?#]+\.(?:jpe?g|png))"')
_RECORDED_REQUESTS = 100_000
_POLL_SECONDS = 0.02
_LAST_KEYS = {"missing": b"", "null": b',"nextpageKey":null', "empty": b',"nextpageKey":{}'}


@dataclass(frozen=True, slots=True)
class Request:
    """Record of a request for submissions.

    Attributes:
        parameters: The parameters as sent, decrypted; empty when they were unreadable.
        status: The HTTP status, or 0 for a dropped connection.
        items: Number of submissions in the response.
        fault: The kind of fault that replaced the response, or None.
        at: When the request arrived, in seconds of `time.monotonic`.
    """

    parameters: Mapping[str, Any]
    status: int
    items: int
    fault: str | None
    at: float


class Emulator:
    """Serve `GET /v3/submission` on 127.0.0.1 while its context is open.

    Attributes:
        store: The submissions it serves.
        behaviour: How it behaves where the API is undocumented; can be replaced at any time.
        faults: How often it fails; can be replaced at any time, which restarts their sequence.
        requests: The last 100,000 requests, in the order of their responses.
        request_count: Number of all requests.
    """

    def __init__(
        self,
        store: Store | Iterable[Any] = (),
        *,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 frozen
        faults: Faults = Faults(),  # noqa: B008 frozen
        port: int = 0,
    ) -> None:
        """Index the submissions; `with` binds the port.

        Args:
            store: A store, or the submissions to put into one.
            behaviour: How it behaves where the API is undocumented.
            faults: How often it fails.
            port: The TCP port; 0 picks a free one.
        """
        self.store = store if isinstance(store, Store) else Store(store)
        self.behaviour = behaviour
        self.faults = faults
        self.requests: deque[Request] = deque(maxlen=_RECORDED_REQUESTS)
        self.request_count = 0
        self._paginator = Paginator(self.store)
        self._responses = count()
        self._port = port
        self._lock = threading.Lock()

    @property
    def faults(self) -> Faults:
        """Return how often it fails."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._injector = FaultInjector(faults)

    @property
    def base_url(self) -> str:
        """Return its URL, up to and including `/v3`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v3"

    def __enter__(self) -> Self:
        """Start to listen.

        Raises:
            OSError: The port is in use.
        """
        self._server = HttpServer(self._port, self._route)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and close every connection."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, query: str, body: bytes, api_key: str) -> Response:
        """Respond to one request for submissions and record it."""
        at = time.monotonic()
        behaviour, injector = self.behaviour, self._injector
        parameters: Mapping[str, Any] = {}
        fault = None
        if self.faults.latency:
            time.sleep(self.faults.latency)
        try:
            authorize(api_key, behaviour)
            envelope = envelope_for(behaviour, api_key)
            parameters = read_parameters(query, body, behaviour=behaviour, envelope=envelope)
            fault = injector.draw(parameters)
            request = parse_query(parameters, behaviour)
            page = self._paginator.page(request, behaviour)
            content = self._body(page, request.request_type, behaviour)
            if envelope is not None:
                content = orjson.dumps({"isEncrypted": True, "data": envelope.encrypt(content)})
            response = Response(200, content, items=len(page.records))
        except Refusal as refusal:
            response = refusal.response
        if fault:
            response = fault.apply(response)
        kind = fault.kind if fault else None
        with self._lock:
            self.requests.append(Request(parameters, response.status, response.items, kind, at))
            self.request_count += 1
        return response

    def _route(self, request: HttpRequest) -> Response:
        """Pass a request to the handler of its path."""
        method, path, query, body, api_key = request
        if (method, path) == ("GET", _PATH):
            return self.answer(query, body, api_key)
        try:
            if not path.startswith(control.PREFIX):
                raise unknown_path()
            name = path.removeprefix(control.PREFIX)
            if method == "GET":
                return control.read(self, name)
            return control.change(self, name, body)
        except Refusal as refusal:
            return refusal.response

    def _body(self, page: Page, section: Section | None, behaviour: Behaviour) -> bytes:
        rows = [row.select(section) if section else row.raw for row in page.records]
        key = _LAST_KEYS[behaviour.nextpage_key_at_end]
        if page.key is not None:
            key = b',"nextpageKey":' + orjson.dumps(page.key)
        items = b",".join(rows)
        if behaviour.image_urls == "signed":
            signature = hashlib.sha256(b"%d" % next(self._responses)).hexdigest().encode()
            items = _IMAGE.sub(rb'"\1?X-Amz-Expires=900&X-Amz-Signature=' + signature + b'"', items)
        return b"".join((b'{"Items":[', items, b"]", key, b"}"))
