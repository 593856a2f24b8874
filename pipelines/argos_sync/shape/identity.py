"""Validate the identity of a submission and hash its content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

from argos_sync.shape.contract import ITEM, load_contract
from argos_sync.shape.values import ConversionError, is_absent, to_text, to_timestamp


@dataclass(frozen=True, slots=True)
class Identity:
    """Hold a submission's key and creation time.

    Attributes:
        submission_id: Id as text.
        created_at: Creation time in UTC.
    """

    submission_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvalidIdentity:
    """Describe why an object cannot become rows.

    Attributes:
        path: `submission_id` or `created_at`; "" when it is not an object.
        reason: One line without the value.
    """

    path: str
    reason: str


def identify(item: Any) -> Identity | InvalidIdentity:
    """Return the identity of a submission, or the reason it has none.

    Args:
        item: One decoded entry of the API's `Items`.
    """
    if not isinstance(item, dict):
        return InvalidIdentity("", "not an object")
    try:
        submission_id = _required_value(item, "submission_id", to_text)
    except ConversionError as error:
        return InvalidIdentity("submission_id", str(error))
    try:
        return Identity(submission_id, _required_value(item, "created_at", to_timestamp))
    except ConversionError as error:
        return InvalidIdentity("created_at", str(error))


def content_hash(item: Any, key: bytes = b"") -> str:
    """Return a hash that changes when the content changes.

    The hash ignores the order of keys, and the query part of image URLs: the API may sign them
    anew on every fetch (API page, "Timestamps and values").

    Args:
        item: One decoded entry of the API's `Items`.
        key: At most 64 bytes. Without the key nobody can guess the content from the hash.

    Returns:
        32 hexadecimal digits.
    """
    canonical = _canonical_json(item)
    if b"?" in canonical:
        for steps in _image_paths():
            item = _strip_url_query(item, steps)
        canonical = _canonical_json(item)
    return blake2b(canonical, digest_size=16, key=key).hexdigest()


def _canonical_json(item: Any) -> bytes:
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(item, sort_keys=True).encode()


def _required_value(item: dict[str, Any], key: str, convert: Callable[[Any], Any]) -> Any:
    value = item.get(key)
    if is_absent(value):
        raise ConversionError("missing")
    return convert(value)


@cache
def _image_paths() -> tuple[tuple[str, ...], ...]:
    columns = (c for table in load_contract().api_tables for c in table.columns if c.url)
    return tuple(tuple(column.path.split(".")) for column in columns if column.path)


def _strip_url_query(value: Any, steps: tuple[str, ...]) -> Any:
    if not steps:
        return value.partition("?")[0] if isinstance(value, str) else value
    if isinstance(value, list):  # the API may send a single object as a list of one
        return [_strip_url_query(entry, steps) for entry in value]
    key = steps[0].removesuffix(ITEM)
    if not isinstance(value, dict) or key not in value:
        return value
    return {**value, key: _strip_url_query(value[key], steps[1:])}
