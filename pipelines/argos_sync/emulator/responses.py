"""HTTP responses of the emulator, and the refusals the API documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from argos_sync.emulator.behaviour import ErrorCode

_MESSAGES: dict[ErrorCode, str] = {
    "invalid_payload": "Invalid payload",
    "missing_data": "Required input data is missing",
    "invalid_project": "Invalid project",
    "invalid_admin": "Invalid admin",
    "invalid_parameter": "Invalid parameter: {}",
    "invalid_format": "Invalid format: {}",
    "processing_error": "Failed to complete migration",
}


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, not yet written to the connection.

    Attributes:
        status: The HTTP status; 0 closes the connection without a response.
        body: The bytes of the body, or their beginning when `rest` follows.
        content_type: The media type of the body.
        headers: Further headers.
        content_length: The Content-Length header; None sends the length of `body`.
        items: Number of submissions in the body.
        rest: The rest of a body that is written piece by piece.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None
    items: int = 0
    rest: Iterable[bytes] = ()


class Refusal(Exception):  # noqa: N818 a response of the API, not an error of the program
    """Signal that the API refuses a request, and carry its response."""

    def __init__(self, response: Response) -> None:
        """Keep the response."""
        super().__init__(response.status)
        self.response = response


def message_body(text: str, key: str = "message") -> bytes:
    """Return the JSON body in which a gateway sends a message."""
    return orjson.dumps({key: text})


def forbidden() -> Refusal:
    """Return a 403 for a missing or wrong API key."""
    return Refusal(Response(403, message_body("Forbidden")))


def ip_denied() -> Refusal:
    """Return a 403 for an address that is not on the allow list."""
    text = "User is not authorized to access this resource with an explicit deny"
    return Refusal(Response(403, message_body(text, "Message")))


def too_large() -> Refusal:
    """Return a 413 for a `count` above the limit."""
    return Refusal(Response(413, message_body("Request Entity Too Large")))


def unknown_path() -> Refusal:
    """Return a 404 for an unknown path."""
    return Refusal(Response(404, message_body("Not Found")))


def api_error(code: ErrorCode, parameter: str = "") -> Refusal:
    """Return a 400 with one of the seven documented error codes."""
    text = _MESSAGES[code].format(parameter)
    return Refusal(Response(400, orjson.dumps({"errorCode": code, "message": text})))
