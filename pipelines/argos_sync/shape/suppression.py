"""Who must not come back: a list of keyed hashes, which tells nothing to who has no key.

`forget` puts a submission, a user id or an address on it. Whatever is fetched is held against the
list before it becomes rows.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from argos_sync.shape.values import ConversionError, is_absent, to_text

IDENTIFIER_KINDS = ("submission_id", "userid", "email")
"""What a person is known by: the names of the API's own keys."""

_LABEL = b"argos-sync suppression 1"


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """The list, with the keys it was made with; can be pickled, and then carries keys.

    Attributes:
        hashes: What is on it.
        keys: By key id; each hash was made with one of them.
    """

    hashes: frozenset[str] = frozenset()
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def matches(self, item: Any) -> bool:
        """Whether a decoded entry of the API's `Items` belongs to somebody on the list."""
        if not self.hashes or not isinstance(item, dict):
            return False
        return any(
            suppression_hash(key, kind, value) in self.hashes
            for kind, value in _identifiers(item)
            for key in self.keys.values()
        )


EMPTY_SUPPRESSION_LIST = SuppressionList()
"""An empty list."""


def suppression_hash(key: bytes, kind: str, value: str) -> str:
    """Return what stands on the list for a value.

    Args:
        key: Of the list.
        kind: One of `IDENTIFIER_KINDS`.
        value: As it was given; of an address neither case nor blanks around it count.
    """
    plain = value.strip().casefold() if kind == "email" else value
    message = b"\0".join([_LABEL, kind.encode(), plain.encode("utf-8", "surrogatepass")])
    return hmac.digest(key, message, "sha256").hex()


def matches_any(item: Any, wanted: Iterable[tuple[str, str]]) -> bool:
    """Whether a decoded object carries one of these kinds and values."""
    same = SuppressionList(frozenset(suppression_hash(b"", *one) for one in wanted), {"": b""})
    return same.matches(item)


def _identifiers(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in IDENTIFIER_KINDS:
        value = item.get(kind)
        if not is_absent(value):
            try:
                yield kind, value if isinstance(value, str) else to_text(value)
            except ConversionError:
                continue
