"""What an answer means: a page, or one of the errors. Pure functions over status and bytes.

Statuses, codes and messages are those of the vendor's pages on `GET /v3/submission`; gateways add
their own, with JSON or HTML bodies, so nothing but the status is taken for granted.
"""

from __future__ import annotations

import json
import math
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from argos_sync.api import errors
from argos_sync.api.crypto import is_encrypted
from argos_sync.api.query import PARAMETER_NAMES, Page, PageKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argos_sync.api.crypto import Envelope

ENDPOINT = "GET /submission"

_BY_STATUS: dict[int, type[errors.ApiFailure]] = {
    404: errors.NotFound,
    408: errors.RequestTimeout,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
    500: errors.ServerError,
    502: errors.BadGateway,
    503: errors.ServiceUnavailable,
    504: errors.GatewayTimeout,
}
_BY_CODE: dict[str, type[errors.ApiFailure]] = {
    "invalid_payload": errors.InvalidPayload,
    "missing_data": errors.MissingData,
    "invalid_project": errors.InvalidProject,
    "invalid_admin": errors.InvalidAdmin,
    "invalid_parameter": errors.InvalidParameter,
    "invalid_format": errors.InvalidFormat,
    "processing_error": errors.ProcessingError,
}
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * 19
"""What a body with an integer beyond 64 bits has once all its digits are zeros."""

_EMPTY_KEYS: tuple[Any, ...] = (None, "", {}, [])


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    envelope: Envelope | None = None,
) -> errors.ArgosError | None:
    """Return what a response's status means as an error, or None for a 200.

    Args:
        status: HTTP status.
        headers: Response headers, looked up in lower case.
        body: The whole body, of any kind.
        now: The aware time against which a Retry-After date counts.
        envelope: Set when requests are encrypted.
    """
    if status == HTTPStatus.OK:
        return None
    where = f"{ENDPOINT} answered HTTP {status}"
    if status == HTTPStatus.BAD_REQUEST:
        return _bad_request_error(
            where, _parse_error_report(body, envelope), encrypted=envelope is not None
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _access_error(where, _parse_error_report(body, envelope))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return errors.Redirected(where)
    other = errors.ServerError if status > HTTPStatus.INTERNAL_SERVER_ERROR else None
    kind = _BY_STATUS.get(status, other or errors.UnexpectedStatus)
    if issubclass(kind, errors.RetriableFailure):
        return kind(where, retry_after=_retry_after(headers, now))
    return kind(where)


def parse_page(body: bytes, envelope: Envelope | None = None) -> Page:
    """Read the body of a 200.

    Args:
        body: JSON bytes.
        envelope: Set when answers are encrypted.

    Raises:
        MalformedResponse: It is no page: not JSON, cut short, no list of `Items`, or a
            `nextpageKey` that is there but cannot be sent back.
        DecryptionFailed: It is encrypted, but not with this key and mode.
        EncryptionMismatch: It is encrypted and no envelope is given, or the other way around.
    """
    document = _decode_object(body)
    if document is None:
        raise errors.MalformedResponse(f"{ENDPOINT} answered 200 with no complete JSON object")
    if envelope is not None:
        document = _decrypt_document(document, envelope)
    elif is_encrypted(document):
        raise errors.EncryptionMismatch("the answer is encrypted, but encryption is off")
    items = document.get("Items")
    if not isinstance(items, list):
        raise errors.MalformedResponse(f"{ENDPOINT} answered 200 without a list of Items")
    return Page(items, _next_key(document.get("nextpageKey")))


def _next_key(value: Any) -> PageKey | None:
    """Read `nextpageKey`: only a missing or empty one ends a walk, a broken one never does."""
    if value in _EMPTY_KEYS:
        return None
    with suppress(ValueError):
        return PageKey.from_json(value)
    raise errors.MalformedResponse(f"{ENDPOINT} answered 200 with an unusable nextpageKey")


def _decrypt_document(document: dict[str, Any], envelope: Envelope) -> dict[str, Any]:
    """Decrypt an answer."""
    if not is_encrypted(document):
        if "Items" in document:
            raise errors.EncryptionMismatch("the answer is not encrypted, but encryption is on")
        raise errors.MalformedResponse(f"{ENDPOINT} answered 200 without an encrypted text")
    opened = _decode_object(envelope.unwrap_response(document))
    if opened is None:
        # Without a tag, one wrong key in 256 still finds valid padding, and then nonsense.
        raise errors.DecryptionFailed("the answer decrypts to something that is not JSON")
    return opened


def _decode_object(body: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; None for anything else.

    Neither decoder's error may escape: both carry the whole document with them.
    """
    document = None
    if _LONG_NUMBER not in body.translate(_DIGITS_AS_ZEROS):
        with suppress(orjson.JSONDecodeError):
            document = orjson.loads(body)
    if document is None:
        # orjson refuses lone surrogates, which JSON allows and a name may hold, and what a double
        # cannot hold, and rounds integers beyond 64 bits. Python does none of it, and takes a
        # little longer.
        with suppress(ValueError, RecursionError):
            document = json.loads(
                body,
                parse_constant=_refuse_constant,
                parse_int=_parse_int,
                parse_float=_parse_float,
            )
    return document if isinstance(document, dict) else None


def _parse_int(text: str) -> int | str:
    """Read an integer; one of more digits than Python converts stays a text."""
    return int(text) if len(text) <= sys.int_info.default_max_str_digits else text


def _parse_float(text: str) -> float | str:
    """Read a number with a fraction or exponent; one beyond the largest double stays a text."""
    number = float(text)
    return number if math.isfinite(number) else text


def _refuse_constant(_: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError


def _parse_error_report(body: bytes, envelope: Envelope | None) -> dict[str, Any]:
    """Return the object that describes a failure, decrypted if need be, or an empty one."""
    report = _decode_object(body) or {}
    if envelope is not None and is_encrypted(report):
        with suppress(errors.DecryptionFailed):
            return _decode_object(envelope.unwrap_response(report)) or {}
    return report


def _report_message(report: dict[str, Any]) -> str:
    """Return the server's message, for matching only; AWS capitalizes it in authorizer denials."""
    said = report.get("message", report.get("Message"))
    return said if isinstance(said, str) else ""


def _bad_request_error(where: str, report: dict[str, Any], *, encrypted: bool) -> errors.ArgosError:
    """Tell the documented codes of a 400 apart."""
    code = report.get("errorCode")
    if not isinstance(code, str) or code not in _BY_CODE:
        return errors.UnknownApiError(f"{where} without a documented errorCode")
    where = f"{where} {code}"
    words = re.findall(r"\w+", _report_message(report))
    # A server that does not decrypt may also take the envelope's `body` for a parameter.
    unread = code == "invalid_payload" or (code == "invalid_parameter" and "body" in words)
    if encrypted and unread:
        return errors.RequestNotDecrypted(where)
    kind = _BY_CODE[code]
    if not issubclass(kind, errors.InvalidParameter | errors.InvalidFormat):
        return kind(where)
    # Only a name we know is repeated: the rest of the message is the server's to make up.
    named = [word for word in words if word in PARAMETER_NAMES]
    parameter = "count" if "count" in named else next(iter(named), None)
    error = kind(f"{where} ({parameter})" if parameter else where)
    error.parameter = parameter
    return error


def _access_error(where: str, report: dict[str, Any]) -> errors.AccessDenied:
    """Tell a wrong key from a wrong address: the two 403s the vendor documents."""
    said = _report_message(report)
    if said == "Forbidden":
        return errors.InvalidApiKey(where)
    if "explicit deny" in said:
        return errors.IpNotAllowed(where)
    return errors.AccessDenied(where)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); None when absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(value)
        # "-0000" parses as naive, and means UTC.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    return None
