"""Validate the identity of a submission, and read its content: hash and deletion stub."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

from argos_sync.shape.contract import ITEM, load_contract
from argos_sync.shape.stub_words import is_deletion_stub
from argos_sync.shape.values import ConversionError, is_absent, to_text, to_timestamp


@dataclass(frozen=True, slots=True)
class Identity:
    """Hold a submission's key and creation time (UTC)."""

    submission_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvalidIdentity:
    """Describe in one line, without the value, why an object cannot become rows.

    The path is `submission_id` or `created_at`; "" when it is not an object. An object that lacks
    only a usable `created_at` has a submission id.
    """

    path: str
    reason: str
    submission_id: str | None = None


def identify(item: Any) -> Identity | InvalidIdentity:
    """Return the identity of one decoded entry of the API's `Items`, or why it has none."""
    if not isinstance(item, dict):
        return InvalidIdentity("", "not an object")
    path, submission_id = "submission_id", None
    try:
        submission_id = to_text(_require_value(item, path))
        path = "created_at"
        return Identity(submission_id, to_timestamp(_require_value(item, path)))
    except ConversionError as error:
        return InvalidIdentity(path, str(error), submission_id)


def replaces(updated_at: Any, earlier: Any) -> bool:
    """Return whether a version of a submission replaces one that came earlier in the walk.

    The API may return two versions of a submission. The one with the later `updated_at` counts; if
    that is equal, or cannot be read of both, the one that comes later. Both arguments are values of
    `updated_at`.
    """
    try:
        return updated_at == earlier or to_timestamp(updated_at) >= to_timestamp(earlier)
    except ConversionError:
        return True


def latest_version(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the version that counts of those of one submission, in the order of the walk."""
    latest = items[0]
    for item in items[1:]:
        if replaces(item.get("updated_at"), latest.get("updated_at")):
            latest = item
    return latest


def content_hash(item: Any, key: bytes = b"") -> str:
    """Return a hash, 32 hexadecimal digits, that changes when the content changes.

    It ignores the order of keys, and the query part of image URLs: the API may sign them anew on
    every fetch (API page, "Timestamps and values"). Without the key, which has at most 64 bytes,
    nobody can guess the content from the hash.
    """
    return _hash(_content_json(item), key)


def read_content(item: Any, key: bytes = b"") -> tuple[str, bool]:
    """Return the content hash of a submission, and whether it is a deletion stub.

    Every fetched submission is read, so both take the same JSON.
    """
    content = _content_json(item)
    return _hash(content, key), is_deletion_stub(item, content)


def _hash(content: bytes, key: bytes) -> str:
    return blake2b(content, digest_size=16, key=key).hexdigest()


def _content_json(item: Any) -> bytes:
    """Return the content as JSON with sorted keys, without the query part of image URLs."""
    canonical = _canonical_json(item)
    if b"?" in canonical:
        for steps in _image_paths():
            item = _strip_url_query(item, steps)
        canonical = _canonical_json(item)
    return canonical


def _canonical_json(item: Any) -> bytes:
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):  # a lone surrogate, or an integer beyond 64 bits
        return json.dumps(item, sort_keys=True).encode()


def _require_value(item: dict[str, Any], key: str) -> Any:
    value = item.get(key)
    if is_absent(value):
        raise ConversionError("missing")
    return value


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
