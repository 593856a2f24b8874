"""Request parameters: read, decrypt and check them, and refuse what the API refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import parse_qsl

import orjson

from argos_sync.api.crypto import Envelope
from argos_sync.api.errors import ConfigurationError, DecryptionFailed
from argos_sync.emulator.responses import api_error, forbidden, ip_denied, too_large
from argos_sync.emulator.store import Section
from argos_sync.emulator.timestamps import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argos_sync.emulator.behaviour import Behaviour

_SECTIONS: tuple[Section, ...] = get_args(Section)
_DATE_LENGTH = len("2026-01-05")


@dataclass(frozen=True, slots=True)
class Query:
    """Checked parameters of one request; None stands for a parameter that is absent.

    `nextpage_date` is in milliseconds since 1970.
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


@lru_cache(maxsize=8)
def _envelope(mode: Literal["ecb", "cbc", "gcm"], key: str, derivation: Any) -> Envelope:
    return Envelope(mode, key, derivation)


def envelope_for(behaviour: Behaviour, api_key: str) -> Envelope | None:
    """Return the encryption of requests and responses, or None if they are plain.

    Raises:
        Refusal: The key is not usable for encryption.
    """
    if behaviour.encryption == "off":
        return None
    key = api_key if behaviour.encryption_key is None else behaviour.encryption_key
    try:
        return _envelope(behaviour.encryption, key, behaviour.key_derivation)
    except ConfigurationError:  # The caller's own API key may be too short.
        raise api_error("invalid_payload") from None


def authorize(api_key: str, behaviour: Behaviour) -> None:
    """Check the caller's address and API key.

    Raises:
        Refusal: The address is not allowed, or the API key is missing or wrong.
    """
    if not behaviour.ip_allowed:
        raise ip_denied()
    if not api_key or behaviour.api_key not in {None, api_key}:
        raise forbidden()


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
            raise api_error("invalid_payload")
        try:
            return _object(envelope.decrypt(text))
        except DecryptionFailed:
            raise api_error("invalid_payload") from None
    if (parameters and behaviour.request_style == "json") or (
        body and behaviour.request_style == "query"
    ):
        raise api_error("invalid_payload")
    return parameters | (_object(body) if body else {})


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise api_error("invalid_payload")
    return content


def parse_query(parameters: Mapping[str, Any], behaviour: Behaviour) -> Query:
    """Check the parameters and turn them into a query; null counts as absent.

    Raises:
        Refusal: A parameter is unknown, missing or has a wrong value.
    """
    if behaviour.force_error:
        raise api_error(behaviour.force_error, "forced")
    present = {name: value for name, value in parameters.items() if value is not None}
    for name in present:
        if name not in Query.__slots__:
            raise api_error("invalid_parameter", name)
    if ("nextpage_id" in present) != ("nextpage_date" in present):
        raise api_error("missing_data")
    return Query(
        submission_id=_text(present, "submission_id"),
        userid=_text(present, "userid"),
        email=_text(present, "email"),
        nextpage_id=_text(present, "nextpage_id"),
        start_date=_date(present, "start_date"),
        end_date=_date(present, "end_date"),
        nextpage_date=_moment(present, "nextpage_date"),
        count=_count(present.get("count", 50), behaviour),
        request_type=_section(present.get("request_type")),
    )


def _text(parameters: Mapping[str, Any], name: str) -> str | None:
    value = parameters.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise api_error("invalid_format", name)


def _date(parameters: Mapping[str, Any], name: str) -> date | None:
    value = _text(parameters, name)
    if value is None:
        return None
    try:
        # `fromisoformat` also reads other formats, such as 20260105.
        return date.fromisoformat(value if len(value) == _DATE_LENGTH else "")
    except ValueError:
        raise api_error("invalid_format", name) from None


def _moment(parameters: Mapping[str, Any], name: str) -> int | None:
    moment = read_time(parameters.get(name))
    if moment is None and name in parameters:
        raise api_error("invalid_format", name)
    return moment


def _count(value: Any, behaviour: Behaviour) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise api_error("invalid_format", "count")
    if number > behaviour.max_count:
        if behaviour.oversize == "413":
            raise too_large()
        raise api_error("invalid_parameter", "count")
    return number


def _section(value: Any) -> Section | None:
    for section in (None, *_SECTIONS):
        if value == section:
            return section
    raise api_error("invalid_parameter", "request_type")
