"""Identifiers: one person in several spellings, and different people in similar ones."""

import unicodedata

import pytest

from argos_sync.shape.identifiers import normalize_identifier, spellings
from argos_sync.shape.suppression import SuppressionList, suppression_hash, unkeyed_list

SAME = [
    ("userid", unicodedata.normalize("NFC", "홍길동"), unicodedata.normalize("NFD", "홍길동")),
    ("userid", "Zo\u00eb", "Zoe\u0308"),
    ("submission_id", "caf\u00e9-1", "cafe\u0301-1"),
    ("email", " Zoe\u0308@Example.com", "zo\u00eb@example.com"),
    ("email", "a@M\u00dcNCHEN.de", "A@xn--mnchen-3ya.de"),
    ("email", "a@Mu\u0308nchen.de", "a@XN--MNCHEN-3YA.DE"),
    ("email", "a@\ud55c\uad6d.kr", "a@xn--3e0b707e.kr"),
    ("email", "a@\uff45xample\u3002com", "a@example.com"),
]
DIFFERENT = [
    ("userid", "Kim", "kim"),
    ("userid", "kim ", "kim"),
    ("userid", "a@xn--mnchen-3ya.de", "a@m\u00fcnchen.de"),
    ("email", "zoe@example.com", "zo\u00eb@example.com"),
    ("email", "a@xn--mnchen-3ya.de", "a@munchen.de"),
    ("email", "xn--mnchen-3ya@a.de", "m\u00fcnchen@a.de"),
]
ODD = [
    "",
    " ",
    "@",
    "a@",
    "a@xn--",
    "a@xn--\u00fc",
    "a@xn--999999999",
    "\ud800@\ud800.de",
    "a@b@c",
]


@pytest.mark.parametrize(("kind", "one", "other"), SAME)
def test_spellings_of_one_person(kind: str, one: str, other: str) -> None:
    """They are equal once normalized, on the list, and each finds the other where texts are."""
    assert normalize_identifier(kind, one) == normalize_identifier(kind, other)
    for given, fetched in ((one, other), (other, one)):
        assert unkeyed_list([(kind, given)]).matches({kind: fetched})
    assert spellings(kind, one)[0] == one
    assert other in spellings(kind, one) or kind == "email"


@pytest.mark.parametrize(("kind", "one", "other"), DIFFERENT)
def test_different_people(kind: str, one: str, other: str) -> None:
    """Neither letter case nor a domain counts in a user id, and accents always count."""
    assert normalize_identifier(kind, one) != normalize_identifier(kind, other)
    assert not unkeyed_list([(kind, one)]).matches({kind: other})
    assert other not in spellings(kind, one)


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("kind", ["userid", "email"])
def test_odd_identifiers(kind: str, value: str) -> None:
    """Whatever the text, it is normalized, and equals itself."""
    assert spellings(kind, value)[0] in (value, value.strip())
    normalized = normalize_identifier(kind, value)
    assert normalize_identifier(kind, normalized) == normalized
    assert unkeyed_list([(kind, value)]).matches({kind: value}) == (value != "")


@pytest.mark.parametrize(
    ("kind", "hashed", "fetched"),
    [
        ("userid", "Zoe\u0308", "Zo\u00eb"),
        ("userid", "Zoe\u0308", "Zoe\u0308"),
        ("email", "zoe\u0308@example.com", " Zo\u00eb@Example.com"),
        ("email", "a@xn--mnchen-3ya.de", "a@M\u00fcnchen.de"),
        ("email", "a@xn--mnchen-3ya.de", "A@xn--mnchen-3ya.de"),
    ],
)
def test_entries_of_an_earlier_version(
    kind: str, hashed: str, fetched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were hashed as given, addresses in small letters, and keep their people out."""
    with monkeypatch.context() as patch:
        patch.setattr("argos_sync.shape.suppression.normalize_identifier", lambda _, text: text)
        entry = suppression_hash(b"key", kind, hashed)
    assert entry != suppression_hash(b"key", kind, hashed)
    assert SuppressionList(frozenset({entry}), {"k": b"key"}).matches({kind: fetched})


def test_plain_identifiers_have_few_spellings() -> None:
    """Each spelling costs a request."""
    assert spellings("userid", "User-1") == ("User-1",)
    assert spellings("email", "kim@example.com") == ("kim@example.com",)
    assert spellings("email", "Kim@Example.com") == (
        "Kim@Example.com",
        "Kim@example.com",
        "kim@example.com",
    )
