"""Match submissions against the suppression list.

`forget` adds a submission, a user id or an email address to the list as a keyed hash, which is
useless without the key. Submissions on the list are dropped before they become rows.
"""

import hmac
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from argos_sync.shape.values import ConversionError, is_absent, to_text

IDENTIFIER_KINDS = ("submission_id", "userid", "email")
"""Keys of the API that identify a person's submissions."""

_LABEL = b"argos-sync suppression 1"


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """Hold the hashes of the suppression list, and by key id the keys they were made with.

    Can be pickled; the pickle contains the keys.
    """

    hashes: frozenset[str] = frozenset()
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def matches(self, item: Any) -> bool:
        """Return whether a decoded entry of the API's `Items` is on the list."""
        if not self.hashes or not isinstance(item, dict):
            return False
        for kind in IDENTIFIER_KINDS:
            value = item.get(kind)
            if is_absent(value):
                continue
            with suppress(ConversionError):
                text = value if isinstance(value, str) else to_text(value)
                hashes = (suppression_hash(key, kind, text) for key in self.keys.values())
                if not self.hashes.isdisjoint(hashes):
                    return True
        return False


EMPTY_SUPPRESSION_LIST = SuppressionList()


def suppression_hash(key: bytes, kind: str, value: str) -> str:
    """Return the keyed hash of an identifier: 64 hexadecimal digits (HMAC-SHA-256).

    `kind` is one of `IDENTIFIER_KINDS`. Case and surrounding blanks of an email address do not
    matter.
    """
    plain = value.strip().casefold() if kind == "email" else value
    message = b"\0".join([_LABEL, kind.encode(), plain.encode("utf-8", "surrogatepass")])
    return hmac.digest(key, message, "sha256").hex()


def unkeyed_list(identifiers: Iterable[tuple[str, str]]) -> SuppressionList:
    """Return a list that matches these pairs of kind and value; it must not be stored."""
    hashes = frozenset(suppression_hash(b"", *one) for one in identifiers)
    return SuppressionList(hashes, {"": b""})
