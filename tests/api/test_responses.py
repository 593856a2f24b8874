"""Conversion of status and bytes to a page or an error."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from argos_sync.api import errors
from argos_sync.api.crypto import Envelope
from argos_sync.api.page_key import PageKey
from argos_sync.api.responses import error_from_response, parse_page

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HTML = b"<html><body>502 Bad Gateway</body></html>"


def _error(
    status: int,
    body: bytes | dict[str, Any] = b"",
    *,
    headers: dict[str, str] | None = None,
    envelope: Envelope | None = None,
) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return error_from_response(status, httpx.Headers(headers), raw, now=NOW, envelope=envelope)


def _encrypted(envelope: Envelope, document: Any, **extra: Any) -> bytes:
    return orjson.dumps(
        {"isEncrypted": True, "data": envelope.encrypt(orjson.dumps(document))} | extra
    )


def test_200_is_not_an_error() -> None:
    """A 200 is never an error by its status."""
    assert _error(200, HTML) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_payload", errors.InvalidPayload),
        ("missing_data", errors.MissingData),
        ("invalid_project", errors.InvalidProject),
        ("invalid_admin", errors.InvalidAdmin),
        ("invalid_parameter", errors.InvalidParameter),
        ("invalid_format", errors.InvalidFormat),
        ("processing_error", errors.ProcessingError),
    ],
)
def test_documented_codes(code: str, kind: type[errors.ArgosError]) -> None:
    """Each of the seven documented codes has its own class, and the message names it."""
    error = _error(400, {"errorCode": code, "message": "whatever"})
    assert type(error) is kind
    assert error.message == f"GET /submission returned HTTP 400 {code}"


@pytest.mark.parametrize(
    "body",
    [{"errorCode": "brand_new"}, {"errorCode": ["x"]}, {"message": "no"}, b"[]", HTML, b""],
)
def test_undocumented_400(body: bytes | dict[str, Any]) -> None:
    """A 400 without a documented code is reported without repeating its text."""
    error = _error(400, body)
    assert type(error) is errors.UnknownApiError
    assert error.message == "GET /submission returned HTTP 400 without a documented errorCode"


@pytest.mark.parametrize("code", ["invalid_parameter", "invalid_format"])
@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        ("Invalid parameter: count", "count"),
        ("Invalid parameter: start_date", "start_date"),
        ("Invalid format: ${end_date}", "end_date"),
        ("start_date must not be sent with count", "count"),
        ("Invalid parameter: ann@mail.test", None),
        ("Invalid parameter: discount", None),
        (17, None),
    ],
)
def test_message_names_documented_parameters_only(
    code: str, message: Any, parameter: str | None
) -> None:
    """The message names the parameter only if it is documented."""
    error = _error(400, {"errorCode": code, "message": message})
    assert error.parameter == parameter
    suffix = f" ({parameter})" if parameter else ""
    assert error.message == f"GET /submission returned HTTP 400 {code}{suffix}"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"message": "Forbidden"}, errors.InvalidApiKey),
        (
            403,
            {"Message": "User is not authorized to access this resource with an explicit deny"},
            errors.IpNotAllowed,
        ),
        (403, {"message": "User is not authorized, with an explicit deny"}, errors.IpNotAllowed),
        (403, {"message": "Missing Authentication Token"}, errors.AccessDenied),
        (403, HTML, errors.AccessDenied),
        (401, {"message": "Unauthorized"}, errors.AccessDenied),
        (404, {"message": "Not Found"}, errors.NotFound),
        (413, {"message": "Request Too Long"}, errors.RequestTooLarge),
        (301, b"", errors.Redirected),
        (308, b"", errors.Redirected),
        (408, b"", errors.RequestTimeout),
        (429, HTML, errors.RateLimited),
        (500, {"message": "Internal server error"}, errors.ServerError),
        (502, HTML, errors.BadGateway),
        (503, HTML, errors.ServiceUnavailable),
        (504, {"message": "Endpoint request timed out"}, errors.GatewayTimeout),
        (520, HTML, errors.ServerError),
        (204, b"", errors.UnexpectedStatus),
        (206, b"", errors.UnexpectedStatus),
        (418, b"", errors.UnexpectedStatus),
    ],
)
def test_statuses(status: int, body: bytes | dict[str, Any], kind: type[errors.ArgosError]) -> None:
    """Every status has its class, whether its body is JSON, HTML or empty."""
    error = _error(status, body)
    assert type(error) is kind
    assert error.message == f"GET /submission returned HTTP {status}"


def test_retriable_statuses() -> None:
    """Temporary failures are retriable, permanent ones are not."""
    retriable = [
        status
        for status in (301, 400, 401, 403, 404, 408, 413, 418, 429, 500, 502, 503, 504, 520)
        if isinstance(_error(status), errors.RetriableFailure)
    ]
    assert retriable == [408, 429, 500, 502, 503, 504, 520]
    assert isinstance(_error(400, {"errorCode": "processing_error"}), errors.RetriableFailure)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Mon, 05 Jan 2026 09:00:30 GMT", 30.0),
        ("Mon, 05 Jan 2026 09:00:30 -0000", 30.0),
        ("Mon, 05 Jan 2026 08:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 5000, None),
        ("Mon, 99 Jan 2026 09:00:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 +9999999999", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Retry-After is read as seconds or a date; anything else is ignored."""
    error = _error(429, headers={"Retry-After": value} if value is not None else None)
    assert error.retry_after == seconds


def test_page() -> None:
    """A page has its items and the key of the next page."""
    page = parse_page(b'{"Items":[{"a":1},2],"nextpageKey":{"id":"x","created_at":17,"z":0}}')
    assert page.items == [{"a": 1}, 2]
    assert page.next_key == PageKey("x", 17)


@pytest.mark.parametrize(
    "tail", ["", ',"nextpageKey":null', ',"nextpageKey":{}', ',"nextpageKey":""']
)
def test_last_page(tail: str) -> None:
    """A missing or empty key marks the last page."""
    assert parse_page(f'{{"Items":[]{tail}}}'.encode()).next_key is None


@pytest.mark.parametrize(
    "key",
    [
        '{"id":null,"created_at":null}',
        "0",
        "false",
        "[1]",
    ],
)
def test_broken_key_is_an_error(key: str) -> None:
    """An unusable key is an error, not the end of the query."""
    with pytest.raises(errors.UnusablePageKey, match="unusable nextpageKey") as caught:
        parse_page(f'{{"Items":[],"nextpageKey":{key}}}'.encode())
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"[]",
        b"null",
        b'"Items"',
        b'{"Items":[{"a":1},',
        b'{"Items":["\xff"]}',
        b'{"Items":' + b"[" * 100_000,
    ],
)
def test_incomplete_json(body: bytes) -> None:
    """A body that is not a complete JSON object is malformed."""
    with pytest.raises(errors.MalformedResponse, match="no complete JSON object") as caught:
        parse_page(body)
    assert caught.value.__context__ is None


def test_numbers_that_json_does_not_have() -> None:
    """Many programs write them, so they are kept, as texts that no column of numbers takes."""
    page = parse_page(b'{"Items":[{"a":NaN,"b":[-Infinity,Infinity],"c":1.5}]}')
    assert page.items == [{"a": "NaN", "b": ["-Infinity", "Infinity"], "c": 1.5}]


@pytest.mark.parametrize("envelope", [None, Envelope("gcm", "k", "sha256")])
def test_damaged_texts_are_accepted_on_request(envelope: Envelope | None) -> None:
    """Bytes that are not UTF-8 and control characters, but no incomplete JSON."""
    raw = b'{"Items":[{"a":"\xff","b":"x\ny"},{"c":"\xc3\xa9"}]}'
    body = raw
    if envelope:
        body = orjson.dumps({"isEncrypted": True, "data": envelope.encrypt(raw)})
    with pytest.raises(errors.RetriableFailure):
        parse_page(body, envelope)
    page = parse_page(body, envelope, accepts_damaged_text=True)
    assert page.items == [{"a": "\udcff", "b": "x\ny"}, {"c": "é"}]
    with pytest.raises(errors.MalformedResponse):
        parse_page(raw[:-2], accepts_damaged_text=True)


@pytest.mark.parametrize("body", [b"{}", b'{"Items":null}', b'{"Items":{}}', b'{"items":[]}'])
def test_missing_items(body: bytes) -> None:
    """A 200 without a list of Items is malformed, not an empty page."""
    with pytest.raises(errors.MalformedResponse, match="without a list of Items"):
        parse_page(body)


def test_lone_surrogate_is_accepted() -> None:
    """JSON that orjson refuses but the standard allows is decoded."""
    page = parse_page(json.dumps({"Items": [{"name": "\ud800"}]}).encode())
    assert page.items == [{"name": "\ud800"}]


@pytest.mark.parametrize("mode", ["ecb", "cbc", "gcm"])
@pytest.mark.parametrize("name", ["data", "body", "encryptedData"])
def test_encrypted_page(mode: Any, name: str) -> None:
    """An encrypted page is decrypted in every mode, whatever the name of its text."""
    envelope = Envelope(mode, "k", "sha256")
    text = envelope.encrypt(b'{"Items":[1],"nextpageKey":{"id":"x","created_at":"y"}}')
    page = parse_page(orjson.dumps({"isEncrypted": True, name: text, "version": 1}), envelope)
    assert page.items == [1]
    assert page.next_key == PageKey("x", "y")


def test_flag_may_be_text() -> None:
    """A flag sent as a string is not taken for the encrypted text."""
    envelope = Envelope("gcm", "k", "sha256")
    assert parse_page(_encrypted(envelope, {"Items": []}, isEncrypted="true"), envelope).items == []


@pytest.mark.parametrize("document", [[1], "Items", None])
def test_decrypted_value_must_be_an_object(document: Any) -> None:
    """A text that decrypts to anything but an object was decrypted with the wrong key."""
    envelope = Envelope("ecb", "k", "sha256")
    with pytest.raises(errors.DecryptionFailed, match="not JSON"):
        parse_page(_encrypted(envelope, document), envelope)


def test_wrong_key_is_a_decryption_failure() -> None:
    """A page encrypted with another key is an error that names the settings."""
    encrypted = _encrypted(Envelope("gcm", "their key", "sha256"), {"Items": []})
    with pytest.raises(errors.DecryptionFailed) as caught:
        parse_page(encrypted, Envelope("gcm", "our key", "sha256"))
    for setting in ("encryption", "encryption_key", "key_derivation"):
        assert setting in caught.value.remedy
    assert isinstance(caught.value, errors.RetriableFailure)


@pytest.mark.parametrize("flag", [{}, {"isEncrypted": False}])
def test_plain_page_while_encryption_is_on(flag: dict[str, Any]) -> None:
    """A plain page is a mismatch of settings when encryption is on."""
    body = orjson.dumps(flag | {"Items": []})
    with pytest.raises(errors.EncryptionMismatch, match="not encrypted, but encryption is on"):
        parse_page(body, Envelope("gcm", "k", "sha256"))


def test_encrypted_page_while_encryption_is_off() -> None:
    """An encrypted page is a mismatch of settings when encryption is off."""
    encrypted = _encrypted(Envelope("gcm", "k", "sha256"), {"Items": []})
    with pytest.raises(errors.EncryptionMismatch, match="encrypted, but encryption is off"):
        parse_page(encrypted)


def test_neither_page_nor_encrypted_text() -> None:
    """With encryption on, an object that is neither is malformed."""
    with pytest.raises(errors.MalformedResponse, match="without an encrypted text"):
        parse_page(b'{"message":"hello"}', Envelope("gcm", "k", "sha256"))


@pytest.mark.parametrize(
    "report",
    [
        {"errorCode": "invalid_payload", "message": "Invalid payload"},
        {"errorCode": "invalid_parameter", "message": "Invalid parameter: body"},
    ],
)
def test_undecrypted_request(report: dict[str, Any]) -> None:
    """A 400 about the envelope means that the API could not decrypt the request."""
    envelope = Envelope("ecb", "k", "sha256")
    error = _error(400, report, envelope=envelope)
    assert type(error) is errors.RequestNotDecrypted
    for setting in ("encryption", "encryption_key", "key_derivation"):
        assert setting in error.remedy


def test_encrypted_error() -> None:
    """An encrypted error report is decrypted."""
    envelope = Envelope("cbc", "k", "sha256")
    report = {"errorCode": "invalid_parameter", "message": "Invalid parameter: count"}
    assert _error(400, _encrypted(envelope, report), envelope=envelope).parameter == "count"


@pytest.mark.parametrize("document", [[1], None])
def test_encrypted_error_without_a_report(document: Any) -> None:
    """An encrypted report that is not an object is ignored; the status decides."""
    envelope = Envelope("cbc", "k", "sha256")
    error = _error(400, _encrypted(envelope, document), envelope=envelope)
    assert type(error) is errors.UnknownApiError


def test_encrypted_error_of_another_key() -> None:
    """A report that does not decrypt is ignored; the status decides."""
    encrypted = _encrypted(Envelope("gcm", "their key", "sha256"), {"errorCode": "missing_data"})
    error = _error(400, encrypted, envelope=Envelope("gcm", "our key", "sha256"))
    assert type(error) is errors.UnknownApiError


NUMBERS = [0, -1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30 + 1, 0.1, 1e30]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("neighbour", ["", ',"\\ud800"', f",{10**20}"])
def test_numbers_are_exact_with_both_decoders(number: float, neighbour: str) -> None:
    """No digit is lost, whichever decoder a page needs."""
    found = parse_page(f'{{"Items":[{number}{neighbour}]}}'.encode()).items[0]
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize("text", ["1e999", "-1.5e400"])
def test_number_beyond_a_double_is_kept_as_text(text: str) -> None:
    """Infinity would be written as null, and the value would be lost."""
    assert parse_page(f'{{"Items":[{text}, 1.5]}}'.encode()).items == [text, 1.5]


def test_very_long_number_is_kept_as_text() -> None:
    """A number with more digits than Python converts does not fail the page."""
    digits = "9" * 5_000
    assert parse_page(f'{{"Items":[{digits}]}}'.encode()).items == [digits]
