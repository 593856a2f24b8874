"""Hashed and encrypted values: what they look like, and the keys they are made with.

Both are texts of three parts, `h1.<key id>.<base64url>` and `e1.<key id>.<base64url>` (RFC 4648,
without padding). What is hashed or encrypted is a letter for the type and the value as text, in
UTF-8: `temail@example.com`, `d1990-12-31`, `i5`, `f0.5`, `btrue`, `j{"a":1}`,
`m2026-01-05T09:00:00.123000+00:00`. So a text `1` and a number 1 are two values.

- `h1` is HMAC-SHA-256: the same everywhere for the same value of the same type, so rows of
  different tables can be joined on it. Two values are the same when all their characters are.
- `e1` is AES-256-SIV (RFC 5297) with `table.column` as associated data: the same for the same
  value of the same column, and changed or in any other column it does not decrypt.

Not hidden are whether there is a value, which rows have the same, and from an encrypted one how
long it is. The keys are made from one secret with HKDF-SHA-256 (RFC 5869), each with a label of its
own. That is fast, as is trying out guesses: the secret has to be random, for who can guess it can
check the guess against any of the texts, the key id included.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from argos_sync.shape.contract import ColumnType

MIN_SECRET_CHARACTERS = 16
"""What a secret has at least."""

_HASHED = "h1"
_ENCRYPTED = "e1"
_PROTECTED = re.compile(r"(h1|e1)\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)")
_KEY_ID_BYTES = 6
_SALT = b"argos-sync privacy 1"
_SHA256_BLOCK = 64
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class RevealError(ValueError):
    """A text cannot be decrypted; the message says why and shows nothing of it."""


class _Encoding(NamedTuple):
    """How values of a column type are written.

    Attributes:
        mark: The letter in front.
        holds: What Python has them as.
        but_not: Subclasses of that which are values of another type.
        write: Value to text; always the same text for the same value.
        read: The way back.
    """

    mark: bytes
    holds: type
    but_not: type | tuple[()]
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _encode_timestamp(moment: datetime) -> str:
    # A moment without a zone is UTC, as it is where API values are read (`values`).
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


_ENCODINGS: dict[ColumnType, _Encoding] = {
    "text": _Encoding(b"t", str, (), str, str),
    "json": _Encoding(b"j", str, (), str, str),
    "bigint": _Encoding(b"i", int, bool, int.__repr__, int),
    "double": _Encoding(b"f", float, (), float.__repr__, float),
    "bool": _Encoding(
        b"b", bool, (), lambda truth: "true" if truth else "false", lambda text: text == "true"
    ),
    "date": _Encoding(b"d", date, datetime, date.isoformat, date.fromisoformat),
    "timestamp": _Encoding(b"m", datetime, (), _encode_timestamp, datetime.fromisoformat),
}
_ENCODING_BY_TAG = {form.mark: form for form in _ENCODINGS.values()}


def encode_value(value: Any, column_type: ColumnType) -> bytes:
    """Return a value as it is hashed and encrypted, without the letter for its type.

    Raises:
        TypeError: It is no value of this type; integers are no doubles, and json is a text.
    """
    form = _ENCODINGS[column_type]
    if not isinstance(value, form.holds) or isinstance(value, form.but_not):
        raise TypeError(f"a value of type {column_type} is needed, not a {type(value).__name__}")
    # Texts never reach a warehouse with lone surrogates, but may be looked for.
    return form.write(value).encode("utf-8", "surrogatepass")


def encode_array(values: pa.Array, column_type: ColumnType) -> list[bytes]:
    """Return the values of an Arrow array without nulls, each as `encode_value` does."""
    if pa.types.is_string(values.type):
        plain: list[bytes] = values.cast(pa.binary()).to_pylist()
        return plain
    return [encode_value(value, column_type) for value in values.to_pylist()]


@dataclass(frozen=True)
class Keyring:
    """The keys made from one secret; the secret itself is not kept, and nothing is shown.

    Attributes:
        key_id: Tells keys apart, without being one; stands in every hashed or encrypted value.
        hashing: For hashed values.
        encryption: For encrypted values.
        content: For `identity.content_hash`.
        suppression: For the list of who must not come back.
    """

    key_id: str
    hash_key: bytes = field(repr=False)
    encryption_key: bytes = field(repr=False)
    content_key: bytes = field(repr=False)
    suppression_key: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: str) -> Keyring:
        """Make the keys from a secret of at least `MIN_SECRET_CHARACTERS` characters.

        Raises:
            ValueError: The secret is shorter.
        """
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise ValueError(
                f"{len(secret)} characters instead of at least {MIN_SECRET_CHARACTERS}"
            )
        # A stray surrogate must not raise: UnicodeEncodeError carries the whole secret with it.
        raw = secret.encode("utf-8", "surrogatepass")
        (key_id,) = _to_base64url("", [_derive_key(raw, b"key id", _KEY_ID_BYTES)])
        return cls(
            key_id=key_id.decode("ascii"),
            hash_key=_derive_key(raw, b"hash", 32),
            encryption_key=_derive_key(raw, b"encrypt", 64),  # two AES-256 keys in one: RFC 5297
            content_key=derive_content_key(secret),
            suppression_key=_derive_key(raw, b"suppression list", 32),
        )

    def hash(self, plain: Iterable[bytes], column_type: ColumnType) -> list[bytes]:
        """Hash written values of one type.

        Args:
            plain: What `encode_value` made.
            column_type: Their type.
        """
        if column_type == "double":  # the two zeros are equal
            plain = (b"0.0" if one == b"-0.0" else one for one in plain)
        # HMAC as RFC 2104 writes it, the same as `hmac.digest`, which takes more than twice as
        # long: it has the key read anew for every value.
        block = self.hash_key.ljust(_SHA256_BLOCK, b"\0")
        inner = sha256(bytes(byte ^ 0x36 for byte in block) + _ENCODINGS[column_type].mark).copy
        outer = sha256(bytes(byte ^ 0x5C for byte in block)).copy
        digests = []
        for one in plain:
            inside, outside = inner(), outer()
            inside.update(one)
            outside.update(inside.digest())
            digests.append(outside.digest())
        return _to_base64url(f"{_HASHED}.{self.key_id}.", digests)

    def encrypt(self, plain: Iterable[bytes], column_type: ColumnType, place: str) -> list[bytes]:
        """Encrypt written values of one column.

        Args:
            plain: What `encode_value` made.
            column_type: Their type.
            place: `table.column`.
        """
        encrypt, mark = AESSIV(self.encryption_key).encrypt, _ENCODINGS[column_type].mark
        bound_to = [place.encode()]
        sealed = [encrypt(mark + one, bound_to) for one in plain]
        return _to_base64url(f"{_ENCRYPTED}.{self.key_id}.", sealed)

    def reveal(self, text: str, place: str) -> Any:
        """Decrypt a value of `place`, which is `table.column`.

        Raises:
            RevealError: It is hashed or not encrypted at all, encrypted with another key, changed,
                or comes from another column.
        """
        match = _PROTECTED.fullmatch(text)
        if match is None:
            raise RevealError(f"what {place} holds is not encrypted")
        kind, key_id, body = match.groups()
        if kind == _HASHED:
            raise RevealError(f"what {place} holds is hashed, which cannot be undone")
        if key_id != self.key_id:
            raise RevealError(
                f"what {place} holds is encrypted with the key {key_id},"
                f" and the configured key is {self.key_id}"
            )
        with suppress(ValueError, InvalidTag):
            sealed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
            # Base64 has unused bits at the end: only one way of writing is the one made here.
            if _to_base64url("", [sealed]) == [body.encode("ascii")]:
                plain = AESSIV(self.encryption_key).decrypt(sealed, [place.encode()])
                return _ENCODING_BY_TAG[plain[:1]].read(plain[1:].decode("utf-8", "surrogatepass"))
        raise RevealError(f"what {place} holds was changed, cut off or moved from another column")


def derive_content_key(secret: str) -> bytes:
    """Make the key of content hashes alone, from a secret of any length."""
    return _derive_key(secret.encode("utf-8", "surrogatepass"), b"content hash", 32)


def extract_key_id(text: str) -> str | None:
    """Return the id of the key that a hashed or encrypted value was made with; None for others."""
    match = _PROTECTED.fullmatch(text)
    return match[2] if match else None


def _derive_key(secret: bytes, label: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=label).derive(secret)


def _to_base64url(prefix: str, values: Iterable[bytes]) -> list[bytes]:
    """Return each value in base64url behind a prefix, by way of one long text: that is faster."""
    lines = b"".join(map(b2a_base64, values)).translate(_URL_SAFE, b"=")
    start = prefix.encode("ascii")
    return (start + lines.replace(b"\n", b"\n" + start)).split(b"\n")[:-1]
