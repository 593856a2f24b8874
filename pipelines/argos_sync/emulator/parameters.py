"""From an HTTP request to a checked query, refusing what the API refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import parse_qsl

import orjson

from argos_sync.api.crypto import Envelope
from argos_sync.api.errors import ConfigurationError, DecryptionFailed
from argos_sync.emulator.responses import error, forbidden, ip_denied, too_large
from argos_sync.emulator.timestamps import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from argos_sync.emulator.behaviour import Behaviour

Section = Literal["kyc", "aml", "data", "others"]

_SECTIONS: tuple[Section, ...] = get_args(Section)
_DATE_LENGTH = len("2026-01-05")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of one request, checked; None is a parameter not given."""

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
def envelope(mode: Literal["ecb", "cbc", "gcm"], key: str, derivation: Any) -> Envelope:
    """The cipher of a key, made once."""
    return Envelope(mode, key, derivation)


def cipher(behaviour: Behaviour, api_key: str) -> Envelope | None:
    """How requests and answers are encrypted, or None for plain ones.

    Raises:
        Refusal: No cipher can be made of the key.
    """
    if behaviour.encryption == "off":
        return None
    key = api_key if behaviour.encryption_key is None else behaviour.encryption_key
    try:
        return envelope(behaviour.encryption, key, behaviour.key_derivation)
    except ConfigurationError:  # A caller's own key can be too short.
        raise error("invalid_payload") from None


def authorize(api_key: str, behaviour: Behaviour) -> None:
    """Refuses a caller without the right key or from the wrong address."""
    if not behaviour.ip_allowed:
        raise ip_denied()
    if not api_key or behaviour.api_key not in {None, api_key}:
        raise forbidden()


def read_parameters(
    query: str, body: bytes, *, behaviour: Behaviour, secret: Envelope | None
) -> dict[str, Any]:
    """Collects the parameters from where the behaviour allows them to stand."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    if secret is not None:
        sealed = _object(body).get("body")
        if given or not isinstance(sealed, str):
            raise error("invalid_payload")
        try:
            return _object(secret.decrypt(sealed))
        except DecryptionFailed:
            raise error("invalid_payload") from None
    if (given and behaviour.request_style == "json") or (
        body and behaviour.request_style == "query"
    ):
        raise error("invalid_payload")
    return given | (_object(body) if body else {})


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise error("invalid_payload")
    return found


def check(parameters: Mapping[str, Any], behaviour: Behaviour) -> Query:
    """Turns parameters into a query; those given as null count as not given."""
    if behaviour.force_error:
        raise error(behaviour.force_error, "forced")
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in given:
        if name not in Query.__slots__:
            raise error("invalid_parameter", name)
    if ("nextpage_id" in given) != ("nextpage_date" in given):
        raise error("missing_data")
    return Query(
        submission_id=_text(given, "submission_id"),
        userid=_text(given, "userid"),
        email=_text(given, "email"),
        nextpage_id=_text(given, "nextpage_id"),
        start_date=_date(given, "start_date"),
        end_date=_date(given, "end_date"),
        nextpage_date=_moment(given, "nextpage_date"),
        count=_count(given.get("count", 50), behaviour),
        request_type=_section(given.get("request_type")),
    )


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise error("invalid_format", name)


def _date(given: Mapping[str, Any], name: str) -> date | None:
    value = _text(given, name)
    if value is None:
        return None
    try:
        # `fromisoformat` reads other spellings too, such as 20260105.
        return date.fromisoformat(value if len(value) == _DATE_LENGTH else "")
    except ValueError:
        raise error("invalid_format", name) from None


def _moment(given: Mapping[str, Any], name: str) -> int | None:
    moment = read_time(given.get(name))
    if moment is None and name in given:
        raise error("invalid_format", name)
    return moment


def _count(value: Any, behaviour: Behaviour) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise error("invalid_format", "count")
    if number > behaviour.max_count:
        raise too_large() if behaviour.oversize == "413" else error("invalid_parameter", "count")
    return number


def _section(value: Any) -> Section | None:
    for section in (None, *_SECTIONS):
        if value == section:
            return section
    raise error("invalid_parameter", "request_type")
