"""Request parameters: read, decrypt and check them, and refuse what the API refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args
from urllib.parse import parse_qsl

import orjson

from argos_sync.api.crypto import Envelope
from argos_sync.api.errors import ConfigurationError, DecryptionFailed
from argos_sync.emulator.http_server import Response
from argos_sync.emulator.page_keys import decode_key
from argos_sync.emulator.record import Section
from argos_sync.emulator.timestamps import read_time
from argos_sync.emulator_options import Behaviour, ErrorCode

_DATE_LENGTH = len("2026-01-05")
_MESSAGES: dict[ErrorCode, str] = {
    "invalid_payload": "Invalid payload",
    "missing_data": "Required input data is missing",
    "invalid_project": "Invalid project",
    "invalid_admin": "Invalid admin",
    "invalid_parameter": "Invalid parameter: {}",
    "invalid_format": "Invalid format: {}",
    "processing_error": "Failed to complete migration",
}


class Refusal(Exception):  # noqa: N818 a response of the API, not an error of the program
    """Signal that the API refuses a request, and carry its response."""

    def __init__(self, status: int, content: dict[str, str]) -> None:
        """Serialize the content of the response."""
        super().__init__(status)
        self.response = Response(status, orjson.dumps(content))


@dataclass(frozen=True, slots=True)
class Query:
    """Checked parameters of one request; None stands for a parameter that is absent.

    `nextpage_date` is in milliseconds since 1970; None where page keys have an id only.
    """

    submission_id: str | None
    userid: str | None
    email: str | None
    nextpage_id: str | None
    nextpage_date: int | None
    start_date: date | None
    end_date: date | None
    count: int
    request_type: Section | None


def _api_error(code: ErrorCode, parameter: str = "") -> Refusal:
    """Return a 400 with one of the seven documented error codes."""
    return Refusal(400, {"errorCode": code, "message": _MESSAGES[code].format(parameter)})


def envelope_for(behaviour: Behaviour, api_key: str) -> Envelope | None:
    """Return the encryption of requests and responses, or None if they are plain.

    Raises:
        Refusal: The key is not usable for encryption.
    """
    if behaviour.encryption == "off":
        return None
    key = api_key if behaviour.encryption_key is None else behaviour.encryption_key
    try:
        return Envelope(behaviour.encryption, key, behaviour.key_derivation)
    except ConfigurationError:  # The caller's own API key may be too short.
        raise _api_error("invalid_payload") from None


def authorize(api_key: str, behaviour: Behaviour) -> None:
    """Refuse a caller whose address is not allowed, or whose API key is missing or wrong."""
    if behaviour.ip_denied:
        text = "User is not authorized to access this resource with an explicit deny"
        raise Refusal(403, {"Message": text})
    if not api_key or behaviour.api_key not in {None, api_key}:
        raise Refusal(403, {"message": "Forbidden"})


def read_parameters(
    query: str, body: bytes, *, behaviour: Behaviour, envelope: Envelope | None
) -> dict[str, Any]:
    """Return the parameters from the URL query and the body.

    Raises:
        Refusal: The body is unreadable, or the parameters are not where `behaviour` allows them.
    """
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if envelope is not None:
        text = _object(body).get("body")
        if parameters or not isinstance(text, str):
            raise _api_error("invalid_payload")
        try:
            return _object(envelope.decrypt(text))
        except DecryptionFailed:
            raise _api_error("invalid_payload") from None
    if (parameters and behaviour.request_style == "json") or (
        body and behaviour.request_style == "query"
    ):
        raise _api_error("invalid_payload")
    return parameters | (_object(body) if body else {})


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise _api_error("invalid_payload")
    return content


def parse_query(parameters: Mapping[str, Any], behaviour: Behaviour) -> Query:
    """Check the parameters and turn them into a query; null counts as absent.

    Raises:
        Refusal: A parameter is unknown, missing or has a wrong value.
    """
    if behaviour.force_error:
        raise _api_error(behaviour.force_error, "forced")
    present = {name: value for name, value in parameters.items() if value is not None}
    for name in present:
        if name not in Query.__slots__:
            raise _api_error("invalid_parameter", name)
    try:
        present = decode_key(present, behaviour)
    except ValueError:
        raise _api_error("invalid_format", "nextpage_id") from None
    is_dated = "nextpage_date" in present
    if ("nextpage_id" in present) != is_dated and (is_dated or behaviour.nextpage_key != "id"):
        raise _api_error("missing_data")
    moment = read_time(present.get("nextpage_date"))
    if moment is None and "nextpage_date" in present:
        raise _api_error("invalid_format", "nextpage_date")
    section = present.get("request_type")
    if section not in (None, *get_args(Section)):
        raise _api_error("invalid_parameter", "request_type")
    return Query(
        submission_id=_text(present, "submission_id"),
        userid=_text(present, "userid"),
        email=_text(present, "email"),
        nextpage_id=_text(present, "nextpage_id"),
        start_date=_date(present, "start_date"),
        end_date=_date(present, "end_date"),
        nextpage_date=moment,
        count=_count(present.get("count", 50), behaviour),
        request_type=section,
    )


def _text(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise _api_error("invalid_format", name)


def _date(parameters: Mapping[str, Any], name: str) -> date | None:
    value = _text(parameters, name)
    if value is None:
        return None
    try:
        # `fromisoformat` also reads other formats, such as 20260105.
        return date.fromisoformat(value if len(value) == _DATE_LENGTH else "")
    except ValueError:
        raise _api_error("invalid_format", name) from None


def _count(value: Any, behaviour: Behaviour) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _api_error("invalid_format", "count")
    if number > behaviour.max_count:
        if behaviour.oversize == "413":
            raise Refusal(413, {"message": "Request Entity Too Large"})
        raise _api_error("invalid_parameter", "count")
    return number
