"""Match submissions against the suppression list.

`forget` adds a submission, a user id or an email address to the list as a keyed hash, which is
useless without the key. Submissions on the list are dropped before they become rows.
"""

import hmac
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from argos_sync.shape.identifiers import IDENTIFIER_KINDS, normalize_identifier, spellings
from argos_sync.shape.values import ConversionError, is_absent, to_text

_LABEL = b"argos-sync suppression 1"
_LIST_LABEL = b"argos-sync suppression list 1"


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
                plain = _listed_texts(kind, text)
                hashes = (_hash(key, kind, one) for key in self.keys.values() for one in plain)
                if not self.hashes.isdisjoint(hashes):
                    return True
        return False


EMPTY_SUPPRESSION_LIST = SuppressionList()


def suppression_hash(key: bytes, kind: str, value: str) -> str:
    """Return the keyed hash of an identifier: 64 hexadecimal digits (HMAC-SHA-256).

    `kind` is one of `IDENTIFIER_KINDS`. All spellings of an identifier have the same hash.
    """
    return _hash(key, kind, normalize_identifier(kind, value))


def list_tag(key: bytes, entries: Iterable[tuple[str, ...]]) -> str:
    """Return 64 hexadecimal digits that prove entries of the list complete, whatever their order.

    Only a holder of the key can make them. An entry consists of texts without blanks.
    """
    lines = sorted(" ".join(entry) for entry in entries)
    return hmac.digest(key, "\n".join([_LIST_LABEL.decode(), *lines]).encode(), "sha256").hex()


def _listed_texts(kind: str, value: str) -> set[str]:
    """Return the texts that may have been hashed for the list: normalized, or in another spelling.

    Earlier versions hashed identifiers as they were given, and addresses in small letters.
    """
    normalized = normalize_identifier(kind, value)
    if normalized.isascii():
        # All spellings in ASCII are equal, except for the domain of an address.
        value = value.strip().casefold() if kind == "email" else value
        return {normalized, value}
    given = spellings(kind, value)
    return {normalized, *((text.casefold() for text in given) if kind == "email" else given)}


def _hash(key: bytes, kind: str, plain: str) -> str:
    message = b"\0".join([_LABEL, kind.encode(), plain.encode("utf-8", "surrogatepass")])
    return hmac.digest(key, message, "sha256").hex()


def unkeyed_list(identifiers: Iterable[tuple[str, str]]) -> SuppressionList:
    """Return a list that matches these pairs of kind and value; it must not be stored."""
    hashes = frozenset(suppression_hash(b"", *one) for one in identifiers)
    return SuppressionList(hashes, {"": b""})
