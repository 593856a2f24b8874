"""Which request fails, and how: deterministic, whatever order threads run in."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import orjson

from argos_sync.emulator.responses import Answer, message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argos_sync.emulator.behaviour import Faults

_HTML = b"<!DOCTYPE html><html><body><h1>%s</h1></body></html>"
_GATEWAY = {
    "429": "Too Many Requests",
    "500": "Internal server error",
    "502": "Bad Gateway",
    "503": "Service Unavailable",
    "504": "Endpoint request timed out",
}
_ASKS_TO_WAIT = ("429", "503")


class Fault(NamedTuple):
    """One failure: its kind, and a number from 0 to 1 that settles its details."""

    kind: str
    detail: float
    retry_after: str | None

    def spoil(self, answer: Answer) -> Answer:
        """What the client gets instead of `answer`."""
        if self.kind == "drop":
            return Answer(0, b"")
        if self.kind == "html":
            return Answer(200, _HTML % b"Scheduled maintenance", content_type="text/html")
        if self.kind == "truncate":
            short = answer.body[: int(len(answer.body) * self.detail)]
            honest = int(self.detail * 1_000) % 2
            return Answer(200, short, length=len(short if honest else answer.body))
        if self.kind == "tamper":
            return replace(answer, body=self._tampered(answer.body))
        text = _GATEWAY[self.kind]
        headers = {}
        if self.retry_after is not None and self.kind in _ASKS_TO_WAIT:
            headers["Retry-After"] = self.retry_after
        if int(self.detail * 1_000) % 2:
            html = _HTML % text.encode()
            return Answer(int(self.kind), html, content_type="text/html", headers=headers)
        return Answer(int(self.kind), message(text), headers=headers)

    def _tampered(self, body: bytes) -> bytes:
        """An encrypted answer with one character changed, or without its end; others as they are.

        Never in the last quantum of base64, where some bits of a character mean nothing.
        """
        document = orjson.loads(body)
        if not document.get("isEncrypted"):
            return body
        text = document["data"]
        place = int((len(text) - 4) * self.detail)
        if int(self.detail * 1_000) % 2:
            text = text[: place - place % 4]
        else:
            text = text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]
        return orjson.dumps(document | {"data": text})


class FaultDraw:
    """Draws a fault, or none, for each request."""

    def __init__(self, faults: Faults) -> None:
        """Starts anew: no request has been seen."""
        self._faults = faults
        self._rates = [(kind, rate) for kind, rate in faults.rates().items() if rate]
        self._seen: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def draw(self, parameters: Mapping[str, object]) -> Fault | None:
        """The fault of this request: settled by the seed, its parameters and how often it came."""
        if not self._rates:
            return None
        request = repr(sorted(parameters.items()))
        with self._lock:
            turn, streak = self._seen.get(request, (0, 0))
            fault = None
            if streak < self._faults.max_consecutive:
                fault = self._fault(f"{self._faults.seed} {turn} {request}")
            self._seen[request] = (turn + 1, streak + 1 if fault else 0)
        return fault

    def _fault(self, request: str) -> Fault | None:
        digest = hashlib.blake2b(request.encode(), digest_size=16).digest()
        place, detail = (int.from_bytes(half) / 2**64 for half in (digest[:8], digest[8:]))
        for kind, rate in self._rates:
            if place < rate:
                return Fault(kind, detail, self._faults.retry_after)
            place -= rate
        return None
