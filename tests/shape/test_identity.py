from datetime import UTC, datetime
from typing import Any

import pytest

from argos_sync.shape.identity import Identity, InvalidIdentity, content_hash, identify

CREATED = "2026-01-05-09-00-00-123"
MOMENT = datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)
IMAGE = "https://images.example.com/id.jpg"


@pytest.mark.parametrize(("value", "expected"), [("s1", "s1"), (17, "17"), (1.5, "1.5")])
def test_identity(value: Any, expected: str) -> None:
    """The identity is the id as text and the creation time."""
    item = {"submission_id": value, "created_at": CREATED}
    assert identify(item) == Identity(expected, MOMENT)


@pytest.mark.parametrize("item", [None, "text", 5, [], [{"submission_id": "s1"}]])
def test_only_objects_have_an_identity(item: Any) -> None:
    """A value that is not an object cannot be a submission."""
    assert identify(item) == InvalidIdentity("", "not an object")


@pytest.mark.parametrize("value", [None, "", "N/A", {}, []])
def test_missing_id(value: Any) -> None:
    """An absent id is missing, in all forms the API uses."""
    assert identify({"submission_id": value, "created_at": CREATED}) == InvalidIdentity(
        "submission_id", "missing"
    )
    assert identify({"created_at": CREATED}) == InvalidIdentity("submission_id", "missing")


@pytest.mark.parametrize("value", [{"id": "secret-7"}, ["secret-7"], "secret-7\0", "\ud800", 1e30])
def test_invalid_id(value: Any) -> None:
    """An id that is not a storable text is refused and not repeated."""
    result = identify({"submission_id": value, "created_at": CREATED})
    assert isinstance(result, InvalidIdentity)
    assert result.path == "submission_id"
    assert "secret" not in result.reason


@pytest.mark.parametrize("value", [None, "", "N/A", {}, "last week", 17, "2026-02-30"])
def test_invalid_creation_time(value: Any) -> None:
    """A submission without a valid creation time is refused."""
    result = identify({"submission_id": "s1", "created_at": value})
    assert isinstance(result, InvalidIdentity)
    assert result.path == "created_at"
    assert "week" not in result.reason


def test_hash_ignores_the_order_of_keys() -> None:
    """The order of keys does not change the hash, at any level."""
    one = {"a": 1, "kyc": {"result": "approved", "attempts": [{"x": 1, "y": 2}]}}
    other = {"kyc": {"attempts": [{"y": 2, "x": 1}], "result": "approved"}, "a": 1}
    assert content_hash(one) == content_hash(other)


IMAGES = [
    lambda url: {"image": {"idImage": url}},
    lambda url: {"image": {"idBackImage": url}},
    lambda url: {"image": {"selfieImage": url}},
    lambda url: {"image": {"addressImage": url}},
    lambda url: {"image": [{"idImage": url}]},
    lambda url: {"kyc": {"attempts": [{"a": 1}, {"selfieImage": url}]}},
    lambda url: {"kyc": {"attempts": {"selfieImage": url}}},
    lambda url: {"kyc": [{"attempts": [[{"selfieImage": url}]]}]},
]


@pytest.mark.parametrize("item", IMAGES)
def test_hash_ignores_the_query_of_images(item: Any) -> None:
    """The query part of image URLs does not change the hash."""
    hashes = {content_hash(item(IMAGE + query)) for query in ("", "?sig=a", "?sig=b&e=1", "?")}
    assert len(hashes) == 1


@pytest.mark.parametrize("item", IMAGES)
def test_another_image_changes_the_hash(item: Any) -> None:
    """Another image, or none, changes the hash."""
    hashes = {content_hash(item(url)) for url in (IMAGE, f"{IMAGE}x", None, "N/A", 5, [IMAGE])}
    assert len(hashes) == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"kyc": {"result": "pending"}}, {"kyc": {"result": "approved"}}),
        ({"newField": "x?a"}, {"newField": "x?b"}),
        ({"memo": {"text": "why?a"}}, {"memo": {"text": "why?b"}}),
        ({"image": {"other": "x?a"}}, {"image": {"other": "x?b"}}),
        ({"image": "x?a"}, {"image": "x?b"}),
        ({"kyc": {"selfieImage": "x?a"}}, {"kyc": {"selfieImage": "x?b"}}),
        ({"n": 10**30}, {"n": 10**30 + 1}),
        ({"t": "\ud800"}, {"t": "\ud801"}),
    ],
)
def test_any_other_change_changes_the_hash(one: Any, other: Any) -> None:
    """Any other difference changes the hash."""
    assert content_hash(one) != content_hash(other)


@pytest.mark.parametrize("item", [{"a": 1, "t": "\ud800"}, {"n": 10**30}, "text", None, [1]])
def test_hash_of_unusual_values(item: Any) -> None:
    """Any JSON value has a stable hash of 32 hexadecimal digits."""
    assert content_hash(item) == content_hash(item)
    assert len(content_hash(item)) == 32
    assert int(content_hash(item), 16)


def test_keyed_hashes_differ() -> None:
    """Each key gives a different hash."""
    item = {"submission_id": "s1"}
    hashes = {content_hash(item, key) for key in (b"", b"one", b"two", b"x" * 64)}
    assert len(hashes) == 4


def test_hashing_does_not_change_the_submission() -> None:
    """The submission keeps its signed URLs."""
    item = {"image": {"idImage": f"{IMAGE}?sig=a"}, "kyc": {"attempts": [{"selfieImage": "x?y"}]}}
    content_hash(item)
    assert item == {
        "image": {"idImage": f"{IMAGE}?sig=a"},
        "kyc": {"attempts": [{"selfieImage": "x?y"}]},
    }
