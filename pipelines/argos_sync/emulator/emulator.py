"""The emulator itself: store, behaviour, faults and record behind one address."""

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

from argos_sync.emulator.behaviour import Behaviour, Faults
from argos_sync.emulator.faults import FaultDraw
from argos_sync.emulator.http_server import Handler, Listener
from argos_sync.emulator.pagination import Page, Pager
from argos_sync.emulator.parameters import authorize, check, cipher, read_parameters
from argos_sync.emulator.responses import Answer, Refusal
from argos_sync.emulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from argos_sync.emulator.parameters import Section

_IMAGE = re.compile(rb'"(https?://[^"\\?#]+\.(?:jpe?g|png))"')
_KEPT_REQUESTS = 100_000
_POLL_SECONDS = 0.02
_LAST_KEYS = {"missing": b"", "null": b',"nextpageKey":null', "empty": b',"nextpageKey":{}'}


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was answered.

    Attributes:
        parameters: As sent, decrypted; empty when they could not be read.
        status: The HTTP status, or 0 for a dropped connection.
        items: How many submissions the answer held.
        fault: The kind of fault it got instead of its answer, or None.
        at: When it came, in seconds of `time.monotonic`.
    """

    parameters: Mapping[str, Any]
    status: int
    items: int
    fault: str | None
    at: float


class Emulator:
    """A stand-in for `GET /v3/submission` on 127.0.0.1, running between `with` and its end.

    Args:
        store: What it serves.
        behaviour: Its answers to what the API leaves undocumented; can be replaced at any time.
        faults: How it fails; can be replaced at any time, which starts their sequence anew.
        port: 0 picks a free one.
    """

    def __init__(
        self,
        store: Store | Iterable[Any] = (),
        *,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 frozen
        faults: Faults = Faults(),  # noqa: B008 frozen
        port: int = 0,
    ) -> None:
        """Indexes the submissions; the port is taken by `with`."""
        self.store = store if isinstance(store, Store) else Store(store)
        self.behaviour = behaviour
        self.faults = faults
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self.request_count = 0
        self._pager = Pager(self.store)
        self._responses = count()
        self._port = port
        self._lock = threading.Lock()

    @property
    def faults(self) -> Faults:
        """How it fails."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._draw = FaultDraw(faults)

    @property
    def base_url(self) -> str:
        """Where it listens, up to and including `/v3`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v3"

    def __enter__(self) -> Self:
        """Listens.

        Raises:
            OSError: The port is in use.
        """
        self._server = Listener(("127.0.0.1", self._port), Handler)
        self._server.emulator = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening and closes every connection."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, query: str, body: bytes, api_key: str) -> Answer:
        """Answers one request for submissions and records it."""
        at = time.monotonic()
        behaviour, draw = self.behaviour, self._draw
        parameters: Mapping[str, Any] = {}
        fault = None
        if self.faults.latency:
            time.sleep(self.faults.latency)
        try:
            authorize(api_key, behaviour)
            secret = cipher(behaviour, api_key)
            parameters = read_parameters(query, body, behaviour=behaviour, secret=secret)
            fault = draw.draw(parameters)
            asked = check(parameters, behaviour)
            page = self._pager.page(asked, behaviour)
            found = self._body(page, asked.request_type, behaviour)
            if secret is not None:
                found = orjson.dumps({"isEncrypted": True, "data": secret.encrypt(found)})
            answer = Answer(200, found, items=len(page.records))
        except Refusal as refusal:
            answer = refusal.answer
        if fault:
            answer = fault.spoil(answer)
        kind = fault.kind if fault else None
        with self._lock:
            self.requests.append(Request(parameters, answer.status, answer.items, kind, at))
            self.request_count += 1
        return answer

    def _body(self, page: Page, section: Section | None, behaviour: Behaviour) -> bytes:
        parts = [one.part(section) if section else one.raw for one in page.records]
        key = _LAST_KEYS[behaviour.nextpage_key_at_end]
        if page.key is not None:
            key = b',"nextpageKey":' + orjson.dumps(page.key)
        items = b",".join(parts)
        if behaviour.image_urls == "signed":
            signature = hashlib.sha256(b"%d" % next(self._responses)).hexdigest().encode()
            items = _IMAGE.sub(rb'"\1?X-Amz-Expires=900&X-Amz-Signature=' + signature + b'"', items)
        return b"".join((b'{"Items":[', items, b"]", key, b"}"))
