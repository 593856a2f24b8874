"""What goes back over the wire, and the refusals the API documents."""

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
class Answer:
    """An HTTP response before it is written.

    Attributes:
        status: 0 closes the connection without an answer.
        body: The bytes that are sent.
        content_type: Their media type.
        headers: More headers.
        length: The Content-Length, where it is not the body's own.
        items: How many submissions are in the body.
        rest: More of the body, counted by `length`.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    items: int = 0
    rest: Iterable[bytes] = ()


class Refusal(Exception):  # noqa: N818 an answer, not an error of the program
    """The API says no: the answer that says so."""

    def __init__(self, answer: Answer) -> None:
        """Keeps the answer."""
        super().__init__(answer.status)
        self.answer = answer


def message(text: str, key: str = "message") -> bytes:
    """A gateway's JSON body."""
    return orjson.dumps({key: text})


def forbidden() -> Refusal:
    """403: no key, or a wrong one."""
    return Refusal(Answer(403, message("Forbidden")))


def ip_denied() -> Refusal:
    """403: the caller's address is not on the allow list."""
    text = "User is not authorized to access this resource with an explicit deny"
    return Refusal(Answer(403, message(text, "Message")))


def too_large() -> Refusal:
    """413: more rows asked for than an answer may hold."""
    return Refusal(Answer(413, message("Request Entity Too Large")))


def not_found() -> Refusal:
    """404: no such path."""
    return Refusal(Answer(404, message("Not Found")))


def error(code: ErrorCode, parameter: str = "") -> Refusal:
    """400 with one of the seven documented error codes."""
    text = _MESSAGES[code].format(parameter)
    return Refusal(Answer(400, orjson.dumps({"errorCode": code, "message": text})))
