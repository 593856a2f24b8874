"""Hash and encrypt single column values with keys derived from one secret.

Results are texts of three parts, `h1.<key id>.<base64url>` for hashed and `e1.<key id>.<base64url>`
for encrypted values (RFC 4648, without padding). The input of both is a tag for the type and the
value as text, in UTF-8: `temail@example.com`, `d1990-12-31`, `i5`, `f0.5`, `btrue`, `j{"a":1}`,
`m2026-01-05T09:00:00.123000+00:00`. So the text `1` and the number 1 are different values.

- `h1` is HMAC-SHA-256. Equal values of the same type have equal hashes in every table, so tables
  can be joined on them. Texts are equal when all their characters are.
- `e1` is AES-256-SIV (RFC 5297) with `table.column` as associated data. Equal values of the same
  column have equal ciphertexts. A ciphertext that was changed, or moved to another column, does
  not decrypt.

Both show which rows have a value and which values are equal; `e1` also shows the length. The keys
are derived from one secret with HKDF-SHA-256 (RFC 5869), each with its own label. HKDF is fast, and
so is guessing: the secret must be random, because a guess can be checked against any hashed or
encrypted value, and against the key id.
"""

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, NamedTuple, Self

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from argos_sync.shape.contract import ColumnType

MIN_SECRET_CHARACTERS = 16

_HASHED = "h1"
_ENCRYPTED = "e1"
_PROTECTED = re.compile(r"(h1|e1)\.([A-Za-z0-9_-]{8})\.([A-Za-z0-9_-]+)")
_KEY_ID_BYTES = 6
_SALT = b"argos-sync privacy 1"
_SHA256_BLOCK = 64
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class RevealError(ValueError):
    """A text does not decrypt; the message gives the reason but shows nothing of the text."""


class _Encoding(NamedTuple):
    """Define how values of a column type become text, and the tag in front of it.

    Subclasses of the Python type that are values of another column type are excluded.
    """

    tag: bytes
    python_type: type
    excluded_types: type | tuple[()]
    to_text: Callable[[Any], str]
    from_text: Callable[[str], Any]


def _encode_timestamp(moment: datetime) -> str:
    # A time without a zone is UTC, as in `values.to_timestamp`.
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
_ENCODING_BY_TAG = {encoding.tag: encoding for encoding in _ENCODINGS.values()}


def encode_value(value: Any, column_type: ColumnType) -> bytes:
    """Convert a value to the bytes that are hashed or encrypted, without the type's tag.

    Raises:
        TypeError: `value` does not have this type. An integer is not a double; json is text.
    """
    encoding = _ENCODINGS[column_type]
    if not isinstance(value, encoding.python_type) or isinstance(value, encoding.excluded_types):
        raise TypeError(f"a value of type {column_type} is needed, not a {type(value).__name__}")
    # No text in a warehouse has lone surrogates, but a user may search for one.
    return encoding.to_text(value).encode("utf-8", "surrogatepass")


def encode_array(values: pa.Array, column_type: ColumnType) -> list[bytes]:
    """Convert the values of an Arrow array without nulls; see `encode_value`."""
    if pa.types.is_string(values.type):
        plain: list[bytes] = values.cast(pa.binary()).to_pylist()
        return plain
    return [encode_value(value, column_type) for value in values.to_pylist()]


@dataclass(frozen=True)
class Keyring:
    """Hold the keys derived from one secret, which is not stored; `repr` does not show them.

    `key_id` is public and part of every hashed or encrypted value. `content_key` is for
    `identity.content_hash`. Keys have 32 bytes, except `encryption_key` with 64.
    """

    key_id: str
    hash_key: bytes = field(repr=False)
    encryption_key: bytes = field(repr=False)
    content_key: bytes = field(repr=False)
    suppression_key: bytes = field(repr=False)
    pseudonym_key: bytes = field(repr=False)

    @classmethod
    def from_secret(cls, secret: str) -> Self:
        """Derive the keys from a secret of at least `MIN_SECRET_CHARACTERS` characters.

        Raises:
            ValueError: The secret is shorter.
        """
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise ValueError(
                f"{len(secret)} characters instead of at least {MIN_SECRET_CHARACTERS}"
            )
        (key_id,) = to_base64url("", [_derive_key(secret, b"key id", _KEY_ID_BYTES)])
        return cls(
            key_id=key_id.decode("ascii"),
            hash_key=_derive_key(secret, b"hash", 32),
            encryption_key=_derive_key(secret, b"encrypt", 64),  # two AES-256 keys in one: RFC 5297
            content_key=derive_content_key(secret),
            suppression_key=_derive_key(secret, b"suppression list", 32),
            pseudonym_key=_derive_key(secret, b"pseudonyms", 32),
        )

    def hash(self, plain: Iterable[bytes], column_type: ColumnType) -> list[bytes]:
        """Hash results of `encode_value` for values of one type."""
        if column_type == "double":  # 0.0 and -0.0 are equal
            plain = (b"0.0" if one == b"-0.0" else one for one in plain)
        # HMAC as in RFC 2104. `hmac.digest` gives the same result but takes more than twice as
        # long, because it processes the key again for every value.
        block = self.hash_key.ljust(_SHA256_BLOCK, b"\0")
        inner = sha256(bytes(byte ^ 0x36 for byte in block) + _ENCODINGS[column_type].tag).copy
        outer = sha256(bytes(byte ^ 0x5C for byte in block)).copy
        digests = []
        for one in plain:
            inner_hash, outer_hash = inner(), outer()
            inner_hash.update(one)
            outer_hash.update(inner_hash.digest())
            digests.append(outer_hash.digest())
        return to_base64url(f"{_HASHED}.{self.key_id}.", digests)

    def encrypt(self, plain: Iterable[bytes], column_type: ColumnType, place: str) -> list[bytes]:
        """Encrypt results of `encode_value` for values of one column; `place` is `table.column`."""
        encrypt, tag = AESSIV(self.encryption_key).encrypt, _ENCODINGS[column_type].tag
        associated_data = [place.encode()]
        ciphertexts = [encrypt(tag + one, associated_data) for one in plain]
        return to_base64url(f"{_ENCRYPTED}.{self.key_id}.", ciphertexts)

    def reveal(self, text: str, place: str) -> Any:
        """Decrypt a value of a column; `place` is `table.column`.

        Raises:
            RevealError: The value is hashed or not encrypted, was encrypted with another key, was
                changed, or comes from another column.
        """
        match = _PROTECTED.fullmatch(text)
        if match is None:
            raise RevealError(f"the value of {place} is not encrypted")
        kind, key_id, body = match.groups()
        if kind == _HASHED:
            raise RevealError(f"the value of {place} is hashed, which cannot be reversed")
        if key_id != self.key_id:
            raise RevealError(
                f"the value of {place} is encrypted with the key {key_id},"
                f" and the configured key is {self.key_id}"
            )
        with suppress(ValueError, InvalidTag):
            ciphertext = urlsafe_b64decode(body + "=" * (-len(body) % 4))
            # The last character has unused bits, so several texts decode to the same bytes:
            # accept only the one that `encrypt` writes.
            if to_base64url("", [ciphertext]) == [body.encode("ascii")]:
                plain = AESSIV(self.encryption_key).decrypt(ciphertext, [place.encode()])
                text = plain[1:].decode("utf-8", "surrogatepass")
                return _ENCODING_BY_TAG[plain[:1]].from_text(text)
        raise RevealError(f"the value of {place} was changed, cut off or moved from another column")


def derive_content_key(secret: str) -> bytes:
    """Derive the key of content hashes from a secret of any length."""
    return _derive_key(secret, b"content hash", 32)


def extract_key_id(text: str) -> str | None:
    """Return the key id of a hashed or encrypted value; None for other texts."""
    match = _PROTECTED.fullmatch(text)
    return match[2] if match else None


def extract_hash(text: str) -> bytes:
    """Return the hash in a hashed value, without its key id; nothing for other texts."""
    match = _PROTECTED.fullmatch(text)
    return match[3].encode("ascii") if match and match[1] == _HASHED else b""


def _derive_key(secret: str, label: bytes, length: int) -> bytes:
    # A lone surrogate must not raise: UnicodeEncodeError contains the whole secret.
    raw = secret.encode("utf-8", "surrogatepass")
    return HKDF(algorithm=SHA256(), length=length, salt=_SALT, info=label).derive(raw)


def to_base64url(prefix: str, values: Iterable[bytes]) -> list[bytes]:
    """Encode values as base64url with a prefix, all in one text because that is faster."""
    lines = b"".join(map(b2a_base64, values)).translate(_URL_SAFE, b"=")
    start = prefix.encode("ascii")
    return (start + lines.replace(b"\n", b"\n" + start)).split(b"\n")[:-1]
