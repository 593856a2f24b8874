"""The emulator itself: one object that holds the store, the settings and the HTTP server."""

import hashlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Self

import orjson

from argos_sync.emulator.empty_sections import empty_sections
from argos_sync.emulator.faults import GATEWAY_MESSAGES, FaultInjector
from argos_sync.emulator.http_server import HttpServer, Response
from argos_sync.emulator.page_keys import encode_key
from argos_sync.emulator.pagination import Page, Paginator
from argos_sync.emulator.parameters import (
    Query,
    Refusal,
    authorize,
    envelope_for,
    parse_query,
    read_parameters,
)
from argos_sync.emulator.quota import DailyQuota
from argos_sync.emulator.record import Record
from argos_sync.emulator.store import Store
from argos_sync.emulator.timestamps import vendor_time
from argos_sync.emulator_options import Behaviour, Faults

_IMAGE = re.compile(rb'"(https?://[^"\\?#]+\.(?:jpe?g|png))"')
_RECORDED_REQUESTS = 100_000
_POLL_SECONDS = 0.02
_UNKNOWN_ID = {
    "204": Response(204, b""),
    "400": Response(400, b'{"errorCode":"invalid_parameter","message":"Invalid submission_id"}'),
    "404": Response(404, b'{"message":"Submission not found"}'),
    "410": Response(410, b'{"message":"Submission was deleted"}'),
    "object": Response(200, b"{}"),
    "list": Response(200, b"[]"),
    "null": Response(200, b'{"Items":null}'),
}
DAMAGED = "(damaged)"
"""A text that `behaviour.damaged` decides how to write."""
_DAMAGED = {
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "bytes": b'"\xff\xfe"',
    "control": b'"a\nb"',
    "quote": b'"a"b"',
    "number": b"01",
}
_LAST_KEYS = {"missing": b"", "null": b',"nextpageKey":null', "empty": b',"nextpageKey":{}'}


@dataclass(frozen=True, slots=True)
class Request:
    """Record of a request for submissions, which arrived `at` a time of `time.monotonic`.

    `parameters` are as sent, decrypted; empty when they were unreadable. `status` is 0 for a
    dropped connection, `items` the number of submissions in the response, and `fault` the kind of
    fault that replaced it.
    """

    parameters: Mapping[str, Any]
    status: int
    items: int
    fault: str | None
    at: float


class Emulator:
    """Serve `GET /v3/submission` on 127.0.0.1 while its context is open.

    `behaviour` and `faults` can be replaced at any time; new faults restart their sequence.
    `requests` has the last 100,000 requests, in the order of their responses; `request_count`
    counts all of them.
    """

    def __init__(
        self,
        store: Store | Iterable[Any] = (),
        *,
        behaviour: Behaviour = Behaviour(),  # noqa: B008 frozen
        faults: Faults = Faults(),  # noqa: B008 frozen
        port: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Index the submissions; `with` binds the port, or a free one for 0.

        `clock` returns the current time, which decides when the daily limit starts again.
        """
        self.store = store if isinstance(store, Store) else Store(store)
        self.behaviour = behaviour
        self.faults = faults
        self.requests: deque[Request] = deque(maxlen=_RECORDED_REQUESTS)
        self.request_count = 0
        self._paginator = Paginator(self.store)
        self._quota = DailyQuota(clock)
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
        self._server = HttpServer(self._port, self.answer)
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

    def delete(self, submission_id: str) -> None:
        """Delete a submission; `behaviour.deleted` says whether it leaves a stub."""
        if self.behaviour.deleted == "stub":
            self.store.leave_stub(submission_id)
        else:
            self.store.delete(submission_id)

    def restore(self, submission_id: str) -> None:
        """Serve a deleted submission again, whole."""
        self.store.restore(submission_id)

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
            self._check_quota(behaviour)
            envelope = envelope_for(behaviour, api_key)
            parameters = read_parameters(query, body, behaviour=behaviour, envelope=envelope)
            fault = injector.draw(parameters)
            request = parse_query(parameters, behaviour)
            page = self._paginator.page(request, behaviour)
            content = self._body(page, request, behaviour)
            if envelope is not None:
                content = orjson.dumps({"isEncrypted": True, "data": envelope.encrypt(content)})
            _check_weight(content, behaviour)
            response = Response(200, content, items=len(page.records))
        except Refusal as refusal:
            response = refusal.response
        else:
            if request.submission_id is not None and not page.records and page.last is None:
                response = _UNKNOWN_ID.get(behaviour.unknown_id, response)
        if fault:
            response = fault.apply(response)
        kind = fault.kind if fault else None
        with self._lock:
            self.requests.append(Request(parameters, response.status, response.items, kind, at))
            self.request_count += 1
        return response

    def _check_quota(self, behaviour: Behaviour) -> None:
        requests, limit = self._quota.count(), behaviour.max_requests_per_day
        if limit is not None and requests > limit:
            raise Refusal(429, {"message": "Limit Exceeded"})

    def _body(self, page: Page, query: Query, behaviour: Behaviour) -> bytes:
        records = empty_sections(page.records, query, behaviour)
        rows = [_row(record, query, behaviour) for record in records]
        key = _LAST_KEYS[behaviour.nextpage_key_at_end]
        if page.last is not None:
            last = {"id": page.last.id, "created_at": vendor_time(page.last.created)}
            key = b',"nextpageKey":' + orjson.dumps(encode_key(last, behaviour))
        items = b",".join(rows)
        if behaviour.image_urls == "signed":
            signature = hashlib.sha256(b"%d" % next(self._responses)).hexdigest().encode()
            items = _IMAGE.sub(rb'"\1?X-Amz-Expires=900&X-Amz-Signature=' + signature + b'"', items)
        if written := _DAMAGED.get(behaviour.damaged):
            items = items.replace(b'"%b"' % DAMAGED.encode(), written)
        return b"".join((b'{"Items":[', items, b"]", key, b"}"))


def _row(record: Record, query: Query, behaviour: Behaviour) -> bytes:
    """Return the JSON of a submission in a response."""
    record = record.with_created_at(behaviour.created_at)
    section = query.request_type
    # Made for each response, so that the emulator need not hold gigabytes.
    record = record.with_raw_data(behaviour.raw_data_bytes if section in (None, "aml") else 0)
    whole = query.submission_id is not None or (
        behaviour.list_rows == "whole" or (behaviour.list_rows == "sections" and bool(section))
    )
    return record.raw if whole and section is None else record.select(section, whole=whole)


def _check_weight(content: bytes, behaviour: Behaviour) -> None:
    """Refuse a page that is too heavy for the gateway."""
    if behaviour.max_page_bytes is not None and len(content) > behaviour.max_page_bytes:
        status = behaviour.heavy_page
        raise Refusal(int(status), {"message": GATEWAY_MESSAGES[status]})
