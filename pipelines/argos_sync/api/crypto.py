"""Encrypted requests and answers.

What the vendor documents: AES-256, ECB since 2024-08-01 and CBC before (GCM in other channels), a
key made from the API key or a dedicated one, requests as `{"body": "<text>"}` and answers as
`{"isEncrypted": true, "data": "<text>"}`. What it does not document is assumed here: how 32 bytes
are made from the key, base64 as the text, PKCS#7 padding, CBC as `iv(16) || ciphertext` and GCM as
`iv(12) || ciphertext || tag(16)`. Check it once against the vendor's encryption tool.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from argos_sync.api.errors import ConfigurationError, DecryptionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

EncryptionMode: TypeAlias = Literal["ecb", "cbc", "gcm"]
KeyDerivation: TypeAlias = Literal["truncate", "sha256"]

_FLAG = "isEncrypted"
_KEY_BYTES = 32
_BLOCK_BYTES = 16
_NONCE_BYTES = 12  # NIST SP 800-38D's recommended length, and AESGCM's usual one.

# All digits of one case: a base64 text of at least one block is that with odds of 4 ** -22.
_HEX = re.compile(r"(?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+")
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def is_encrypted(document: Mapping[str, Any]) -> bool:
    """Whether an answer says of itself that it is encrypted."""
    return document.get(_FLAG) in (True, "true")


class Envelope:
    """Seals requests and opens answers with one key and mode.

    Args:
        mode: `ecb`, `cbc` or `gcm`.
        key: The dedicated key, or else the API key.
        derivation: How 32 bytes are made of it: `truncate` takes the first 32 of its UTF-8
            form, `sha256` hashes them all.

    Raises:
        ConfigurationError: Unknown mode or derivation, an empty key, or one of fewer than 32 bytes
            with `truncate`.
    """

    def __init__(
        self, mode: EncryptionMode, key: str, derivation: KeyDerivation = "truncate"
    ) -> None:
        """Check the settings and derive the key."""
        if mode not in get_args(EncryptionMode):
            raise ConfigurationError(
                f"encryption is {mode!r}",
                f"set encryption to off, {', '.join(get_args(EncryptionMode))}",
            )
        if derivation not in get_args(KeyDerivation):
            raise ConfigurationError(
                f"key_derivation is {derivation!r}",
                f"set key_derivation to {' or '.join(get_args(KeyDerivation))}",
            )
        if not key:
            raise ConfigurationError(
                "encryption_key is empty", "set encryption_key, or unset it to use the API key"
            )
        self.mode = mode
        self.derivation = derivation
        self._key = _derive_key(key, derivation)

    def __repr__(self) -> str:
        """Show the settings without the key."""
        return f"Envelope(mode={self.mode!r}, derivation={self.derivation!r})"

    def encrypt(self, plaintext: bytes) -> str:
        """Return the base64 text of `plaintext`, with a fresh IV where the mode has one."""
        if self.mode == "gcm":
            nonce = os.urandom(_NONCE_BYTES)
            sealed = nonce + AESGCM(self._key).encrypt(nonce, plaintext, None)
        else:
            iv = os.urandom(_BLOCK_BYTES) if self.mode == "cbc" else b""
            padder = padding.PKCS7(_BLOCK_BYTES * 8).padder()
            encryptor = self._cipher(iv).encryptor()
            sealed = iv + encryptor.update(padder.update(plaintext) + padder.finalize())
        return base64.b64encode(sealed).decode("ascii")

    def decrypt(self, text: str) -> bytes:
        """Return what `text` seals: base64, standard or URL-safe, padded or not, or hex.

        Raises:
            DecryptionFailed: The text, its length, padding or tag is wrong.
        """
        with suppress(ValueError, InvalidTag):
            return self._open(_decode_text(text))
        raise DecryptionFailed(f"the answer does not decrypt as AES-256-{self.mode.upper()}")

    def wrap_request(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Return the request object that carries `params` encrypted."""
        return {"body": self.encrypt(orjson.dumps(params))}

    def unwrap_response(self, document: Mapping[str, Any]) -> bytes:
        """Decrypt an answer whose text is its only string besides the flag, whatever its name.

        Raises:
            DecryptionFailed: No such text, or it does not decrypt.
        """
        texts = [v for name, v in document.items() if name != _FLAG and isinstance(v, str)]
        if len(texts) != 1:
            raise DecryptionFailed(f"an encrypted answer holds {len(texts)} texts instead of one")
        return self.decrypt(texts[0])

    def _open(self, sealed: bytes) -> bytes:
        """Undo `encrypt`'s layout; ValueError or InvalidTag when it does not fit."""
        if self.mode == "gcm":
            return AESGCM(self._key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        iv_bytes = _BLOCK_BYTES if self.mode == "cbc" else 0
        decryptor = self._cipher(sealed[:iv_bytes]).decryptor()
        padded = decryptor.update(memoryview(sealed)[iv_bytes:]) + decryptor.finalize()
        unpadder = padding.PKCS7(_BLOCK_BYTES * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()

    def _cipher(self, iv: bytes) -> Cipher[modes.CBC | modes.ECB]:
        """Return the block cipher; an empty IV means ECB."""
        mode = modes.CBC(iv) if self.mode == "cbc" else modes.ECB()  # noqa: S305 - the vendor's mode since 2024-08-01
        return Cipher(algorithms.AES(self._key), mode)


def _derive_key(key: str, derivation: KeyDerivation) -> bytes:
    """Make the 32 bytes of an AES-256 key."""
    # A stray surrogate must not raise: UnicodeEncodeError carries the whole key with it.
    raw = key.encode("utf-8", "surrogatepass")
    if derivation == "sha256":
        return hashlib.sha256(raw).digest()
    if len(raw) < _KEY_BYTES:
        raise ConfigurationError(
            f"encryption_key has {len(raw)} bytes, and truncating needs at least {_KEY_BYTES}",
            "set key_derivation to sha256, or encryption_key to the longer key of the dashboard",
        )
    return raw[:_KEY_BYTES]


def _decode_text(text: str) -> bytes:
    """Decode base64 in any of its dialects, or hex; ValueError for anything else."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    standard = text.encode("ascii").translate(_URL_SAFE_TO_STANDARD, b" \t\r\n").rstrip(b"=")
    return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
