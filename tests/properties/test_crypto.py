"""Whatever is sealed opens again, and with nothing but its own key."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from argos_sync.api import EncryptionMode, Envelope, KeyDerivation
from argos_sync.api.errors import DecryptionFailed

modes = st.sampled_from(get_args(EncryptionMode))
derivations = st.sampled_from(get_args(KeyDerivation))
keys = st.text(st.characters(codec="utf-8"), min_size=32, max_size=64)
plaintexts = st.binary(max_size=200)


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_round_trip(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """Every plaintext comes back unchanged in every mode and derivation."""
    text = Envelope(mode, key, derivation).encrypt(plain)
    assert Envelope(mode, key, derivation).decrypt(text) == plain


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_round_trip_in_hex(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """A ciphertext written as hex is never taken for base64."""
    envelope = Envelope(mode, key, derivation)
    assert envelope.decrypt(base64.b64decode(envelope.encrypt(plain)).hex()) == plain


@given(derivation=derivations, key=keys, plain=plaintexts, data=st.data())
def test_gcm_notices_any_tampering(
    derivation: KeyDerivation, key: str, plain: bytes, data: st.DataObject
) -> None:
    """One changed bit anywhere, nonce and tag included, is noticed by GCM."""
    envelope = Envelope("gcm", key, derivation)
    sealed = bytearray(base64.b64decode(envelope.encrypt(plain)))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionFailed):
        envelope.decrypt(base64.b64encode(sealed).decode())


@given(mode=modes, derivation=derivations, key=keys, plain=plaintexts)
def test_another_key_never_opens(
    mode: EncryptionMode, derivation: KeyDerivation, key: str, plain: bytes
) -> None:
    """With another key decryption fails, or at worst gives nonsense, and never the plaintext."""
    assume(key[0] != "!")
    text = Envelope(mode, key, derivation).encrypt(plain)
    with suppress(DecryptionFailed):
        assert Envelope(mode, "!" + key, derivation).decrypt(text) != plain


@given(mode=modes, text=st.text(max_size=100))
def test_any_text_is_opened_or_refused(mode: EncryptionMode, text: str) -> None:
    """No text whatever makes decryption fail in another way."""
    with suppress(DecryptionFailed):
        assert isinstance(Envelope(mode, "k", "sha256").decrypt(text), bytes)
