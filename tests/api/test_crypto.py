"""The envelope: layouts, text encodings and refusals."""

import base64
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from argos_sync.api.crypto import EncryptionMode, Envelope
from argos_sync.api.errors import ConfigurationError, DecryptionFailed

KEY = "0123456789abcdef0123456789abcdef-and-more"
RAW = KEY[:32].encode()
PLAIN = b'{"Items":[]}'
PADDED = PLAIN + b"\x04" * 4
MODES = get_args(EncryptionMode)


def _block_encrypt(mode: modes.CBC | modes.ECB) -> bytes:
    encryptor = Cipher(algorithms.AES(RAW), mode).encryptor()
    return encryptor.update(PADDED) + encryptor.finalize()


def test_fips_197_example() -> None:
    """AES-256-ECB reproduces the FIPS 197 example, plus a block of padding."""
    key = bytes.fromhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
    ciphertext = base64.b64decode(
        Envelope("ecb", key.decode()).encrypt(bytes.fromhex("00112233445566778899aabbccddeeff"))
    )
    assert ciphertext[:16].hex() == "8ea2b7ca516745bfeafc49904b496089"
    assert len(ciphertext) == 32


def test_layouts() -> None:
    """ECB is bare ciphertext; CBC starts with its IV; GCM has a nonce first and a tag last."""
    iv, nonce = bytes(range(16)), bytes(range(12))
    ecb = _block_encrypt(modes.ECB())  # noqa: S305 - one of the vendor's modes
    cbc = iv + _block_encrypt(modes.CBC(iv))
    gcm = nonce + AESGCM(RAW).encrypt(nonce, PLAIN, None)
    decrypted = [
        Envelope(mode, KEY).decrypt(base64.b64encode(ciphertext).decode())
        for mode, ciphertext in zip(MODES, (ecb, cbc, gcm), strict=True)
    ]
    assert decrypted == [PLAIN, PLAIN, PLAIN]
    assert base64.b64decode(Envelope("ecb", KEY).encrypt(PLAIN)) == ecb
    assert len(base64.b64decode(Envelope("gcm", KEY).encrypt(PLAIN))) == len(gcm)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "encode",
    [
        lambda raw: base64.b64encode(raw).decode(),
        lambda raw: base64.urlsafe_b64encode(raw).decode(),
        lambda raw: base64.b64encode(raw).decode().rstrip("="),
        lambda raw: base64.encodebytes(raw).decode(),
        lambda raw: raw.hex(),
        lambda raw: raw.hex().upper(),
    ],
    ids=["standard", "url-safe", "unpadded", "line breaks", "hex", "HEX"],
)
def test_text_encodings(mode: EncryptionMode, encode: Any) -> None:
    """All common text encodings of bytes are decoded."""
    envelope = Envelope(mode, KEY)
    plain = bytes(range(256))
    assert envelope.decrypt(encode(base64.b64decode(envelope.encrypt(plain)))) == plain


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text", ["", "=", "A", "AAAA", "not base64!", "ключ", "\ud800", "abc", "A" * 65, "A" * 64]
)
def test_undecodable_text(mode: EncryptionMode, text: str) -> None:
    """Text that is not ciphertext of this mode and key is refused and not repeated."""
    with pytest.raises(DecryptionFailed) as caught:
        Envelope(mode, KEY).decrypt(text)
    assert caught.value.message == f"the response does not decrypt as AES-256-{mode.upper()}"
    assert caught.value.__context__ is None


@pytest.mark.parametrize("mode", MODES)
def test_truncated_text(mode: EncryptionMode) -> None:
    """A truncated text does not decrypt."""
    envelope = Envelope(mode, KEY)
    with pytest.raises(DecryptionFailed):
        envelope.decrypt(envelope.encrypt(b"x" * 100)[:-5])


def test_iv_is_fresh() -> None:
    """CBC and GCM encrypt equal texts differently every time; ECB always alike."""
    same = [len({Envelope(mode, KEY).encrypt(PLAIN) for _ in range(2)}) for mode in MODES]
    assert same == [1, 2, 2]


def test_key_derivations() -> None:
    """`truncate` uses the first 32 bytes of the key in UTF-8, `sha256` all of them."""
    ciphertext = Envelope("ecb", KEY).encrypt(PLAIN)
    assert Envelope("ecb", KEY[:32] + "x").encrypt(PLAIN) == ciphertext
    hashed = Envelope("ecb", KEY, "sha256").encrypt(PLAIN)
    assert hashed != ciphertext
    assert Envelope("ecb", KEY + "x", "sha256").encrypt(PLAIN) != hashed
    assert Envelope("ecb", "ключ" * 4).encrypt(PLAIN) != ciphertext  # 16 letters, 32 bytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rot", KEY), "encryption is 'rot'; set encryption to off, ecb, cbc, gcm"),
        (("ecb", KEY, "md5"), "key_derivation is 'md5'; set key_derivation to truncate or sha256"),
        (("ecb", ""), "encryption_key is empty; set encryption_key"),
        (("ecb", "", "sha256"), "encryption_key is empty; set encryption_key"),
        (
            ("ecb", "short secret"),
            "has 12 bytes, and key_derivation truncate needs 32; set key_deriv",
        ),
    ],
)
def test_invalid_settings(arguments: Any, message: str) -> None:
    """An invalid setting is refused with the valid values and without the key."""
    with pytest.raises(ConfigurationError) as caught:
        Envelope(*arguments)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_key_with_a_lone_surrogate_does_not_leak() -> None:
    """A key with a lone surrogate works instead of raising an error that contains it."""
    envelope = Envelope("gcm", "\udcff key", "sha256")
    assert envelope.decrypt(envelope.encrypt(PLAIN)) == PLAIN


def test_request_is_wrapped() -> None:
    """Parameters are sent as one encrypted JSON text called body."""
    envelope = Envelope("ecb", KEY)
    wrapped = envelope.wrap_request({"count": 5, "email": "ann@mail.test"})
    assert list(wrapped) == ["body"]
    assert envelope.decrypt(wrapped["body"]) == b'{"count":5,"email":"ann@mail.test"}'


@pytest.mark.parametrize("document", [{"isEncrypted": True}, {"data": "a", "more": "b"}])
def test_response_needs_exactly_one_text(document: dict[str, Any]) -> None:
    """A response must have exactly one text besides the flag."""
    with pytest.raises(DecryptionFailed, match="texts instead of one"):
        Envelope("ecb", KEY).unwrap_response(document)


def test_repr_hides_the_key() -> None:
    """The repr of an envelope does not show the key."""
    assert repr(Envelope("gcm", KEY)) == "Envelope(mode='gcm', derivation='truncate')"
