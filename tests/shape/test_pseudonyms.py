"""Pseudonyms: equal for equal identifiers, whatever the warehouse stores, and only with the key."""

import re
import unicodedata

import pyarrow as pa
import pytest

from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.contract import load_contract
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.shape.pseudonyms import PSEUDONYMS, PseudonymError, Pseudonymizer

SECRET, OTHER = "a secret that is long enough", "another secret, long enough"
EMAIL, DOCUMENT = "email_key", "document_key"
ADDRESS = "person@example.org"


def pseudonyms(
    values: list[str | None], name: str = EMAIL, mode: str = "plain", key: str = SECRET
) -> list[str | None]:
    """Return the pseudonyms of values of `applicants` that are stored in a mode."""
    (pseudonym,) = (one for one in PSEUDONYMS["applicants"] if one.name == name)
    policy = PrivacyPolicy.from_settings(direct=mode, key=SECRET)
    if mode == "hash":
        values = [None if one is None else policy.hash_value(one) for one in values]
    elif mode == "encrypt":
        source = pseudonym.source
        values = [
            None if one is None else policy.encrypt_value("applicants", source, one)
            for one in values
        ]
    maker = Pseudonymizer(Keyring.from_secret(key), modes=policy.modes)
    made: list[str | None] = maker.replace(
        "applicants", pseudonym, pa.array(values, pa.string())
    ).to_pylist()
    return made


def test_a_known_value() -> None:
    """Copies of different versions must join, so this value must never change."""
    keyring = Keyring.from_secret(SECRET)
    known = "p1.uaKBXqSz.yDy9zkznjLAnOArQMJn0EA"
    assert pseudonyms([ADDRESS, None, ""]) == [known, None, None]
    assert Pseudonymizer(keyring).of_text("email", ADDRESS) == known
    assert re.fullmatch(rf"p1\.{keyring.key_id}\.[A-Za-z0-9_-]{{22}}", known)


@pytest.mark.parametrize("mode", ["plain", "encrypt", "hash"])
def test_the_mode_makes_no_difference(mode: str) -> None:
    """Of an identifier in its usual spelling, also for a hash, which cannot be turned back."""
    values = [ADDRESS, None, "", ADDRESS, "other@example.org"]
    assert pseudonyms(values, mode=mode) == pseudonyms(values)
    numbers: list[str | None] = ["M1234567", None, "M 1234567"]
    assert pseudonyms(numbers, DOCUMENT, mode) == pseudonyms(numbers, DOCUMENT)
    assert len({*pseudonyms(numbers, DOCUMENT)}) == 3


def test_spellings_have_one_pseudonym_unless_they_are_hashed() -> None:
    """They are compared as the suppression list does it."""
    spelled: list[str | None] = [
        *("jos\u00e9@m\u00fcnchen.example", " Jos\u00c9@M\u00dcNCHEN.example"),
        *("jose\u0301@xn--mnchen-3ya.example", "JOS\u00c9@xn--mnchen-3ya.EXAMPLE"),
    ]
    assert len({*pseudonyms(spelled)}) == len({*pseudonyms(spelled, mode="encrypt")}) == 1
    hashed = pseudonyms(spelled, mode="hash")
    assert hashed[0] == pseudonyms(spelled)[0]
    assert len({*hashed}) == 4
    name = "\uae40\uc5f0\uc544"
    forms: list[str | None] = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert len({*pseudonyms(forms, DOCUMENT)}) == 1
    assert len({*pseudonyms(["m1", "M1"], DOCUMENT)}) == 2


def test_kinds_and_keys_have_pseudonyms_of_their_own() -> None:
    """Nobody learns that a document number is also a user id, or who is in another copy."""
    made = [
        *pseudonyms(["123"]),
        *pseudonyms(["123"], DOCUMENT),
        *pseudonyms(["123"], DOCUMENT, key=OTHER),
    ]
    assert len({*made}) == len({(one or "").rpartition(".")[2] for one in made}) == 3
    kinds = [one.kind for columns in PSEUDONYMS.values() for one in columns]
    assert len(kinds) == len({*kinds})


@pytest.mark.parametrize("mode", ["hash", "encrypt"])
def test_a_key_that_is_missing(mode: str) -> None:
    """The error names the column and the keys, and no value."""
    with pytest.raises(PseudonymError, match=r"applicants\.email .*uaKBXqSz") as caught:
        pseudonyms([ADDRESS], mode=mode, key=OTHER)
    assert ADDRESS not in str(caught.value)


def test_an_old_key_decrypts() -> None:
    """Values that were encrypted with it have the pseudonyms of the current key."""
    stored = PrivacyPolicy.from_settings(direct="encrypt", key=OTHER)
    text = stored.encrypt_value("applicants", "email", ADDRESS)
    keyrings = Keyring.from_secret(SECRET), (Keyring.from_secret(OTHER),)
    maker = Pseudonymizer(*keyrings, modes=stored.modes)
    made = maker.replace("applicants", PSEUDONYMS["applicants"][0], pa.array([text]))
    assert made.to_pylist() == pseudonyms([ADDRESS])


def test_their_columns() -> None:
    """Each is made of an identifier, a text, and has a name that no column has."""
    contract = load_contract()
    for table, columns in PSEUDONYMS.items():
        for one in columns:
            assert contract[table].columns_by_name[one.source].type == "text"
            assert one.column.privacy == "quasi"
            assert all(one.name not in each.columns_by_name for each in contract.tables.values())
