"""Read the `nextpageKey` of a page, in every form that it may have, and give it back.

The vendor documents an object with `id` and `created_at`. Such keys come from a database, and
databases and gateways also write them as JSON text, as base64 of it, with the types of DynamoDB
(`{"id": {"S": "…"}}`), or without `created_at`.
"""

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, TypeGuard

Scalar: TypeAlias = str | float
"""A JSON string or number, unchanged."""

MAX_TEXT_LENGTH = 1024
"""Two such texts, percent-encoded, fit in the URLs that gateways accept."""

_EMPTY: tuple[Any, ...] = (None, "", {}, [])
_MAX_NESTING = 3
"""How often a text is decoded: base64, then JSON, then a text within it."""
_DYNAMODB_TYPES = ("S", "N", "B", "M")


def is_sendable(value: object, max_length: int = MAX_TEXT_LENGTH) -> TypeGuard[Scalar]:
    """Return whether both request styles can send a value unchanged."""
    if isinstance(value, int | float):
        # JSON does not preserve infinity, NaN and numbers beyond 64 bits.
        return not isinstance(value, bool) and abs(value) < 2**63
    if not isinstance(value, str):
        return False
    # JSON and command lines can contain lone surrogates, which UTF-8 cannot encode.
    return 0 < len(value) <= max_length and not any("\ud800" <= c <= "\udfff" for c in value)


@dataclass(frozen=True, slots=True)
class PageKey:
    """Identify the start of a page: the `nextpageKey` of the page before it.

    Attributes:
        id: Sent as `nextpage_id`.
        created_at: Sent as `nextpage_date`; None if the key has none.
        original: The key as JSON text, if it has another form than the documented one.
    """

    id: Scalar
    created_at: Scalar | None = None
    original: str | None = None

    @property
    def forms(self) -> tuple[Self, ...]:
        """Return the ways to send the key: its parts, and the key exactly as the API gave it.

        The vendor does not say which of them an API with keys of its own form takes.
        """
        opaque = None if self.original is None else self._opaque(json.loads(self.original))
        return (self,) if opaque is None or opaque == self else (self, opaque)

    def to_json(self) -> Any:
        """Return the key in the API's form, which can be stored as JSON."""
        if self.original is not None:
            return json.loads(self.original)
        dated = {} if self.created_at is None else {"created_at": self.created_at}
        return {"id": self.id, **dated}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a key from the API's form.

        Raises:
            ValueError: `value` is neither an object nor a text, or cannot be sent back.
        """
        parts = _parts(decode_page_key(value))
        if parts is not None:
            key = cls(*parts)
            is_documented = isinstance(value, dict) and _parts(value, typed=False) == parts
            return key if is_documented else replace(key, original=_to_json(value))
        with suppress(ValueError, RecursionError):
            opaque = cls("", None, _to_json(value))._opaque(value)  # noqa: SLF001 its own class
            if opaque is not None:
                return opaque
        raise ValueError("a page key must be an object or a text that can be sent back")

    def _opaque(self, value: Any) -> Self | None:
        """Return the key to send as it is, objects as JSON text; None if it cannot be sent."""
        if isinstance(value, str):
            parts: Iterable[Any] = (value, None)
        elif isinstance(value, dict) and "id" in value:
            parts = (_to_text(value["id"]), _to_text(value.get("created_at")))
        elif isinstance(value, dict) and any(entry not in _EMPTY for entry in value.values()):
            parts = (_to_json(value), None)
        else:
            return None
        last_id, created_at = parts
        # A key that is one text may be as long as the two that are documented.
        if not is_sendable(last_id, 2 * MAX_TEXT_LENGTH if created_at is None else MAX_TEXT_LENGTH):
            return None
        if created_at is not None and not is_sendable(created_at):
            return None
        return replace(self, id=last_id, created_at=created_at)


def read_next_key(value: Any) -> PageKey | None:
    """Read the `nextpageKey` of a page; None if it is missing or empty, on the last page.

    Raises:
        ValueError: See `PageKey.from_json`.
    """
    is_last = value in _EMPTY or (isinstance(value, str) and decode_page_key(value) in _EMPTY)
    return None if is_last else PageKey.from_json(value)


def decode_page_key(value: Any) -> Any:
    """Return the JSON value within a text, which may be in base64; other values unchanged."""
    for _ in range(_MAX_NESTING):
        if not isinstance(value, str):
            break
        decoded = _decode_text(value)
        if not isinstance(decoded, dict | str | None):
            break  # an id of digits is a text, too
        value = decoded
        if value is None:
            break
    return value


def _decode_text(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with suppress(ValueError, RecursionError):
        standard = text.translate(str.maketrans("-_", "+/")).rstrip("=")
        raw = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        return json.loads(raw)
    return text


def _parts(value: Any, *, typed: bool = True) -> tuple[Scalar, Scalar | None] | None:
    """Return `id` and `created_at` of an object; None if it has no `id` that can be sent."""
    fields = _untyped(value) if typed else value
    if not isinstance(fields, dict):
        return None
    last_id, created_at = fields.get("id"), fields.get("created_at")
    if typed:
        last_id, created_at = _untyped(last_id), _untyped(created_at)
    if not is_sendable(last_id):
        return None
    if created_at in _EMPTY:
        return last_id, None
    return (last_id, created_at) if is_sendable(created_at) else None


def _untyped(value: Any) -> Any:
    """Return a value without the type that DynamoDB adds to it."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        return inner if name in _DYNAMODB_TYPES else value
    return value


def _to_text(value: Any) -> Any:
    return _to_json(value) if isinstance(value, dict | list) else value


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
