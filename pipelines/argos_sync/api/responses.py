"""Convert a response to a page or an error.

Statuses, codes and messages come from the vendor's pages on `GET /v3/submission`. Gateways add
their own, with JSON or HTML bodies, so the functions here rely on nothing but the status.
"""

import json
import math
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson

from argos_sync.api import errors
from argos_sync.api.crypto import Envelope, is_encrypted
from argos_sync.api.page_key import PageKey, read_next_key
from argos_sync.api.query import PARAMETER_NAMES, Page

ENDPOINT = "GET /submission"

_BY_STATUS: dict[int, type[errors.ApiFailure]] = {
    404: errors.NotFound,
    410: errors.NotFound,
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
"""Part of every body with an integer beyond 64 bits, once all its digits are zeros."""


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    envelope: Envelope | None = None,
) -> errors.ArgosError | None:
    """Return the error that a response reports; None for a 200.

    The body may have any format, names of headers are in lower case, `now` has a time zone, and
    `envelope` is set when requests are encrypted.
    """
    if status == HTTPStatus.OK:
        return None
    where = f"{ENDPOINT} returned HTTP {status}"
    if status == HTTPStatus.BAD_REQUEST:
        return _bad_request_error(where, body, envelope)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _access_error(where, body, envelope)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return errors.Redirected(where)
    other = errors.ServerError if status > HTTPStatus.INTERNAL_SERVER_ERROR else None
    kind = _BY_STATUS.get(status, other or errors.UnexpectedStatus)
    if issubclass(kind, errors.RetriableFailure):
        return kind(where, retry_after=_retry_after(headers, now))
    return kind(where)


def parse_page(
    body: bytes, envelope: Envelope | None = None, *, accepts_damaged_text: bool = False
) -> Page:
    """Parse the body of a 200; `envelope` is set when responses are encrypted.

    With `accepts_damaged_text`, bytes that are not UTF-8 become lone surrogates, which do not fit
    any column, and control characters within texts are accepted. The JSON must be complete.

    Raises:
        MalformedResponse: The body is not a page: not JSON, truncated, or without a list of
            `Items`; an EmptyResponse if it is complete JSON with nothing in it.
        UnusablePageKey: The `nextpageKey` cannot be sent back.
        DecryptionFailed: The body is encrypted with another key or mode.
        EncryptionMismatch: The body is encrypted and there is no envelope, or the reverse.
    """
    document = _decode_object(body, accepts_damaged_text=accepts_damaged_text)
    if document is None:
        # No bytes at all are a response that was cut off.
        is_empty = body.strip() in (b"null", b"[]")
        kind = errors.EmptyResponse if is_empty else errors.MalformedResponse
        raise kind(f"{ENDPOINT} returned no complete JSON object")
    if envelope is not None:
        document = _decrypt_document(document, envelope, accepts_damaged_text=accepts_damaged_text)
    elif is_encrypted(document):
        raise errors.EncryptionMismatch("the response is encrypted, but encryption is off")
    items = document.get("Items")
    if not isinstance(items, list):
        kind = errors.MalformedResponse if any(document.values()) else errors.EmptyResponse
        raise kind(f"{ENDPOINT} returned a page without a list of Items")
    with suppress(ValueError):
        return Page(items, read_next_key(document.get("nextpageKey")), len(body))
    raise errors.UnusablePageKey(f"{ENDPOINT} returned a page with an unusable nextpageKey")


def _decrypt_document(
    document: dict[str, Any], envelope: Envelope, *, accepts_damaged_text: bool
) -> dict[str, Any]:
    if not is_encrypted(document):
        if "Items" in document:
            raise errors.EncryptionMismatch("the response is not encrypted, but encryption is on")
        if not document:
            return {}  # nothing to encrypt
        raise errors.MalformedResponse(f"{ENDPOINT} returned a response without an encrypted text")
    text = envelope.unwrap_response(document)
    decrypted = _decode_object(text, accepts_damaged_text=accepts_damaged_text)
    if decrypted is None:
        # ECB and CBC have no tag: one wrong key in 256 yields valid padding and random bytes.
        raise errors.DecryptionFailed("the decrypted response is not JSON")
    return decrypted


def _decode_object(body: bytes, *, accepts_damaged_text: bool = False) -> dict[str, Any] | None:
    """Decode a JSON object; return None for anything else.

    JSON has no NaN and no Infinity, but many programs write them: they are kept as texts, which do
    not fit a column of numbers. The decoders' errors must not escape: they contain the whole
    document.
    """
    document = None
    if _LONG_NUMBER not in body.translate(_DIGITS_AS_ZEROS):
        with suppress(orjson.JSONDecodeError):
            document = orjson.loads(body)
    if document is None:
        # orjson refuses lone surrogates, which JSON allows, and numbers beyond a double, and rounds
        # integers beyond 64 bits. Python's decoder handles all of them, but is slower.
        with suppress(ValueError, RecursionError):
            document = json.loads(
                body.decode("utf-8", "surrogateescape") if accepts_damaged_text else body,
                strict=not accepts_damaged_text,
                parse_constant=str,
                parse_int=_parse_int,
                parse_float=_parse_float,
            )
    return document if isinstance(document, dict) else None


def _parse_int(text: str) -> int | str:
    """Convert an integer; keep it as text if it has more digits than Python converts."""
    return int(text) if len(text) <= sys.int_info.default_max_str_digits else text


def _parse_float(text: str) -> float | str:
    """Convert a number; keep it as text if it exceeds the largest double."""
    number = float(text)
    return number if math.isfinite(number) else text


def _parse_error_report(body: bytes, envelope: Envelope | None) -> tuple[Any, str]:
    """Return the code and the message of a failure; the message must not be shown."""
    report = _decode_object(body) or {}
    if envelope is not None and is_encrypted(report):
        with suppress(errors.DecryptionFailed):
            report = _decode_object(envelope.unwrap_response(report)) or {}
    # AWS capitalizes the key when an authorizer denies access.
    message = report.get("message", report.get("Message"))
    return report.get("errorCode"), message if isinstance(message, str) else ""


def _bad_request_error(where: str, body: bytes, envelope: Envelope | None) -> errors.ArgosError:
    """Return the error for the documented code of a 400."""
    code, message = _parse_error_report(body, envelope)
    if not isinstance(code, str) or code not in _BY_CODE:
        return errors.UnknownApiError(f"{where} without a documented errorCode")
    where = f"{where} {code}"
    words = re.findall(r"\w+", message)
    # A server that does not decrypt requests may also take the envelope's `body` for a parameter.
    not_decrypted = code == "invalid_payload" or (code == "invalid_parameter" and "body" in words)
    if envelope is not None and not_decrypted:
        return errors.RequestNotDecrypted(where)
    kind = _BY_CODE[code]
    if not issubclass(kind, errors.InvalidParameter | errors.InvalidFormat):
        return kind(where)
    # Repeat documented names only: the server may put anything into its message.
    names = [word for word in words if word in PARAMETER_NAMES]
    parameter = "count" if "count" in names else next(iter(names), None)
    error = kind(f"{where} ({parameter})" if parameter else where)
    error.parameter = parameter
    return error


def _access_error(where: str, body: bytes, envelope: Envelope | None) -> errors.AccessDenied:
    """Return the error for one of the two 403s that the vendor documents, or a general one."""
    _, message = _parse_error_report(body, envelope)
    if message == "Forbidden":
        return errors.InvalidApiKey(where)
    if "explicit deny" in message:
        return errors.IpNotAllowed(where)
    return errors.AccessDenied(where)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return Retry-After, seconds or a date (RFC 9110, 10.2.3), in seconds; None if unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(value)
        # "-0000" means UTC, but the parser returns a time without a zone.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    return None


def too_heavy(key: PageKey | None, error: errors.ApiFailure) -> errors.PageTooHeavy:
    """Return the error for a single submission that never gets through.

    It names the position by the time in the page key, but not the submission.
    """
    # The server may put anything into the key: only a timestamp may be shown.
    created_at = re.fullmatch(r"[0-9T:.Z+-]{10,40}", str(key.created_at)) if key else None
    place = f"after the one created at {created_at[0]}" if created_at else "of its query"
    which = "first submission" if not key else "next submission"
    return errors.PageTooHeavy(f"{error.message} again and again for the {which} {place}")
