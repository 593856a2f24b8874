"""Fault injection: which requests fail and how, independent of the order of threads."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import orjson

from argos_sync.emulator.http_server import Response
from argos_sync.emulator_options import Faults

_HTML = b"<!DOCTYPE html><html><body><h1>%s</h1></body></html>"
GATEWAY_MESSAGES = {
    "413": "Request Entity Too Large",
    "429": "Too Many Requests",
    "500": "Internal server error",
    "502": "Bad Gateway",
    "503": "Service Unavailable",
    "504": "Endpoint request timed out",
}
_WITH_RETRY_AFTER = ("429", "503")
_AS_HTML = {"Content-Type": "text/html"}


class Fault(NamedTuple):
    """One fault of the gateway; its kind is a key of `Faults.rates`.

    `detail`, from 0 to 1, decides the details, such as where a body is cut.
    """

    kind: str
    detail: float
    retry_after: str | None

    def apply(self, response: Response) -> Response:
        """Return the response that the client gets instead of `response`."""
        if self.kind == "drop":
            return Response(0, b"")
        if self.kind == "html":
            return Response(200, _HTML % b"Scheduled maintenance", _AS_HTML)
        if self.kind == "truncate":
            cut = response.body[: int(len(response.body) * self.detail)]
            length = len(cut if self._odd() else response.body)
            return Response(200, cut, {"Content-Length": str(length)})
        if self.kind == "tamper":
            return replace(response, body=self._tamper(response.body))
        text = GATEWAY_MESSAGES[self.kind]
        headers = {}
        if self.retry_after is not None and self.kind in _WITH_RETRY_AFTER:
            headers["Retry-After"] = self.retry_after
        if self._odd():
            return Response(int(self.kind), _HTML % text.encode(), headers | _AS_HTML)
        return Response(int(self.kind), orjson.dumps({"message": text}), headers)

    def _odd(self) -> bool:
        """Choose between the two variants of a fault."""
        return int(self.detail * 1_000) % 2 == 1

    def _tamper(self, body: bytes) -> bytes:
        """Return an encrypted body with one character altered or its end cut off.

        A plain body is returned as it is. The last four characters stay: in the last quantum of
        base64 some bits have no meaning.
        """
        document = orjson.loads(body)
        if not document.get("isEncrypted"):
            return body
        text = document["data"]
        place = int((len(text) - 4) * self.detail)
        if self._odd():
            text = text[: place - place % 4]
        else:
            text = text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]
        return orjson.dumps(document | {"data": text})


class FaultInjector:
    """Decide for each request which fault it meets, if any."""

    def __init__(self, faults: Faults) -> None:
        """Start a new sequence of faults."""
        self._faults = faults
        self._rates = [(kind, rate) for kind, rate in faults.rates().items() if rate]
        self._history: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def draw(self, parameters: Mapping[str, object]) -> Fault | None:
        """Return the fault of a request, or None.

        The seed, the parameters and the number of equal requests before this one decide it.
        """
        if not self._rates:
            return None
        request = repr(sorted(parameters.items()))
        with self._lock:
            turn, streak = self._history.get(request, (0, 0))
            fault = None
            if streak < self._faults.max_consecutive:
                fault = self._fault(f"{self._faults.seed} {turn} {request}")
            self._history[request] = (turn + 1, streak + 1 if fault else 0)
        return fault

    def _fault(self, request: str) -> Fault | None:
        digest = hashlib.blake2b(request.encode(), digest_size=16).digest()
        place, detail = (int.from_bytes(half) / 2**64 for half in (digest[:8], digest[8:]))
        for kind, rate in self._rates:
            if place < rate:
                return Fault(kind, detail, self._faults.retry_after)
            place -= rate
        return None
