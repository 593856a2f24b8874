"""Encrypt requests and decrypt responses.

The vendor documents AES-256 (ECB since 2024-08-01, CBC before; GCM in other channels), a key made
from the API key or from a dedicated key, requests as `{"body": "<text>"}` and responses as
`{"isEncrypted": true, "data": "<text>"}`. The vendor does not document the rest, so this module
assumes it: the derivation of 32 key bytes, base64 as the text, PKCS#7 padding, CBC as
`iv(16) || ciphertext` and GCM as `iv(12) || ciphertext || tag(16)`. Check these assumptions once
against the vendor's encryption tool.
"""

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, TypeAlias, get_args

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from argos_sync.api.errors import ConfigurationError, DecryptionFailed

EncryptionMode: TypeAlias = Literal["ecb", "cbc", "gcm"]
KeyDerivation: TypeAlias = Literal["truncate", "sha256"]

_FLAG = "isEncrypted"
_KEY_BYTES = 32
_BLOCK_BYTES = 16
_NONCE_BYTES = 12  # NIST SP 800-38D's recommended length, and AESGCM's usual one.

# Hex digits of one case. Base64 of at least one block looks like this with probability 4 ** -22.
_HEX = re.compile(r"(?:[0-9a-f]{2})+|(?:[0-9A-F]{2})+")
_URL_SAFE_TO_STANDARD = bytes.maketrans(b"-_", b"+/")


def is_encrypted(document: Mapping[str, Any]) -> bool:
    """Return whether a response is marked as encrypted."""
    return document.get(_FLAG) in (True, "true")


class Envelope:
    """Encrypt requests and decrypt responses with one key and mode.

    Args:
        mode: `ecb`, `cbc` or `gcm`.
        key: The dedicated encryption key, or the API key if the project has none.
        derivation: How to make the 32-byte AES key: `truncate` takes the first 32 bytes of the key
            in UTF-8, `sha256` hashes all of them.

    Raises:
        ConfigurationError: The mode or derivation is unknown, the key is empty, or it has fewer
            than 32 bytes with `truncate`.
    """

    def __init__(
        self, mode: EncryptionMode, key: str, derivation: KeyDerivation = "truncate"
    ) -> None:
        """Validate the settings and derive the AES key."""
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
        """Encrypt bytes and return base64 text; CBC and GCM use a fresh IV."""
        if self.mode == "gcm":
            nonce = os.urandom(_NONCE_BYTES)
            ciphertext = nonce + AESGCM(self._key).encrypt(nonce, plaintext, None)
        else:
            iv = os.urandom(_BLOCK_BYTES) if self.mode == "cbc" else b""
            padder = padding.PKCS7(_BLOCK_BYTES * 8).padder()
            encryptor = self._cipher(iv).encryptor()
            padded = padder.update(plaintext) + padder.finalize()
            ciphertext = iv + encryptor.update(padded)
        return base64.b64encode(ciphertext).decode("ascii")

    def decrypt(self, text: str) -> bytes:
        """Decrypt base64 (standard or URL-safe, with or without padding) or hex.

        Raises:
            DecryptionFailed: The text, its length, its padding or its tag is wrong.
        """
        with suppress(ValueError, InvalidTag):
            ciphertext = _decode_text(text)
            if self.mode == "gcm":
                nonce, rest = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
                return AESGCM(self._key).decrypt(nonce, rest, None)
            iv_bytes = _BLOCK_BYTES if self.mode == "cbc" else 0
            decryptor = self._cipher(ciphertext[:iv_bytes]).decryptor()
            padded = decryptor.update(memoryview(ciphertext)[iv_bytes:]) + decryptor.finalize()
            unpadder = padding.PKCS7(_BLOCK_BYTES * 8).unpadder()
            return unpadder.update(padded) + unpadder.finalize()
        raise DecryptionFailed(f"the response does not decrypt as AES-256-{self.mode.upper()}")

    def wrap_request(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Return the request body that carries encrypted parameters."""
        return {"body": self.encrypt(orjson.dumps(params))}

    def unwrap_response(self, document: Mapping[str, Any]) -> bytes:
        """Decrypt a response: an object with exactly one string, of any name, besides the flag.

        Raises:
            DecryptionFailed: The object has no such string or several, or it does not decrypt.
        """
        texts = [v for name, v in document.items() if name != _FLAG and isinstance(v, str)]
        if len(texts) != 1:
            raise DecryptionFailed(f"an encrypted response has {len(texts)} texts instead of one")
        return self.decrypt(texts[0])

    def _cipher(self, iv: bytes) -> Cipher[modes.CBC | modes.ECB]:
        """Return the block cipher; ECB ignores the IV."""
        mode = modes.CBC(iv) if self.mode == "cbc" else modes.ECB()  # noqa: S305 - the vendor's mode since 2024-08-01
        return Cipher(algorithms.AES(self._key), mode)


def _derive_key(key: str, derivation: KeyDerivation) -> bytes:
    """Derive the 32 bytes of an AES-256 key."""
    # A lone surrogate must not raise: UnicodeEncodeError contains the whole key.
    raw = key.encode("utf-8", "surrogatepass")
    if derivation == "sha256":
        return hashlib.sha256(raw).digest()
    if len(raw) < _KEY_BYTES:
        raise ConfigurationError(
            f"encryption_key has {len(raw)} bytes, and key_derivation truncate needs {_KEY_BYTES}",
            "set key_derivation to sha256, or copy the longer key from the ARGOS dashboard",
        )
    return raw[:_KEY_BYTES]


def _decode_text(text: str) -> bytes:
    """Decode any variant of base64, or hex; raise ValueError for other text."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    standard = text.encode("ascii").translate(_URL_SAFE_TO_STANDARD, b" \t\r\n").rstrip(b"=")
    return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
