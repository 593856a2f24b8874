"""Properties of the envelope: round trips, and no decryption with another key."""

import base64
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from argos_sync.api.crypto import EncryptionMode, Envelope, KeyDerivation
from argos_sync.api.errors import DecryptionFailed

modes = st.sampled_from(get_args(EncryptionMode))
derivations = st.sampled_from(get_args(KeyDerivation))
keys = st.text(st.characters(codec="utf-8"), min_size=32, max_size=64)
plaintexts = st.binary(max_size=200)


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_round_trip(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """Every plaintext survives encryption in every mode and derivation."""
    text = Envelope(mode, key, derivation).encrypt(plain)
    assert Envelope(mode, key, derivation).decrypt(text) == plain


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_round_trip_in_hex(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """Hex ciphertext is never read as base64."""
    envelope = Envelope(mode, key, derivation)
    assert envelope.decrypt(base64.b64decode(envelope.encrypt(plain)).hex()) == plain


@given(derivation=derivations, key=keys, plain=plaintexts, data=st.data())
def test_gcm_detects_any_change(
    derivation: KeyDerivation, key: str, plain: bytes, data: st.DataObject
) -> None:
    """GCM detects one changed bit anywhere, nonce and tag included."""
    envelope = Envelope("gcm", key, derivation)
    ciphertext = bytearray(base64.b64decode(envelope.encrypt(plain)))
    bit = data.draw(st.integers(0, len(ciphertext) * 8 - 1))
    ciphertext[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionFailed):
        envelope.decrypt(base64.b64encode(ciphertext).decode())


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_another_key_never_decrypts(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """Another key fails or returns other bytes, but never the plaintext."""
    assume(key[0] != "!")
    text = Envelope(mode, key, derivation).encrypt(plain)
    with suppress(DecryptionFailed):
        assert Envelope(mode, "!" + key, derivation).decrypt(text) != plain


@given(mode=modes, text=st.text(max_size=100))
def test_any_text_is_decrypted_or_refused(mode: EncryptionMode, text: str) -> None:
    """No text makes decryption fail with another error."""
    with suppress(DecryptionFailed):
        assert isinstance(Envelope(mode, "k", "sha256").decrypt(text), bytes)
