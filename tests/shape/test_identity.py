from datetime import UTC, datetime
from typing import Any

import pytest

from argos_sync.shape.identity import Identity, InvalidIdentity, content_hash, identify

CREATED = "2026-01-05-09-00-00-123"
MOMENT = datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)
IMAGE = "https://images.example.com/id.jpg"


@pytest.mark.parametrize(("given", "known"), [("s1", "s1"), (17, "17"), (1.5, "1.5")])
def test_identity(given: Any, known: str) -> None:
    """A submission is known by its id as text and its moment of creation."""
    item = {"submission_id": given, "created_at": CREATED}
    assert identify(item) == Identity(known, MOMENT)


@pytest.mark.parametrize("item", [None, "text", 5, [], [{"submission_id": "s1"}]])
def test_no_object_has_no_identity(item: Any) -> None:
    """What is no object cannot be a submission."""
    assert identify(item) == InvalidIdentity("", "not an object")


@pytest.mark.parametrize("given", [None, "", "N/A", {}, []])
def test_without_an_id(given: Any) -> None:
    """An absent id is missing in every of the API's ways."""
    assert identify({"submission_id": given, "created_at": CREATED}) == InvalidIdentity(
        "submission_id", "missing"
    )
    assert identify({"created_at": CREATED}) == InvalidIdentity("submission_id", "missing")


@pytest.mark.parametrize("given", [{"id": "secret-7"}, ["secret-7"], "secret-7\0", "\ud800", 1e30])
def test_with_an_unusable_id(given: Any) -> None:
    """An id that is no storable text makes a submission unusable, and is not repeated."""
    found = identify({"submission_id": given, "created_at": CREATED})
    assert isinstance(found, InvalidIdentity)
    assert found.path == "submission_id"
    assert "secret" not in found.reason


@pytest.mark.parametrize("given", [None, "", "N/A", {}, "last week", 1767603600, "2026-02-30"])
def test_with_an_unreadable_moment(given: Any) -> None:
    """A submission whose creation cannot be placed in time is unusable."""
    found = identify({"submission_id": "s1", "created_at": given})
    assert isinstance(found, InvalidIdentity)
    assert found.path == "created_at"
    assert "week" not in found.reason


def test_hash_ignores_the_order_of_keys() -> None:
    """The same content in another order is the same content, at every level."""
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
    """Images may be signed afresh on every fetch, which changes nothing."""
    hashes = {content_hash(item(IMAGE + query)) for query in ("", "?sig=a", "?sig=b&e=1", "?")}
    assert len(hashes) == 1


@pytest.mark.parametrize("item", IMAGES)
def test_hash_sees_another_image(item: Any) -> None:
    """Another image is a change, also one that went away."""
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
def test_hash_sees_any_other_change(one: Any, other: Any) -> None:
    """Everything but the order of keys and the query of images is content."""
    assert content_hash(one) != content_hash(other)


@pytest.mark.parametrize("item", [{"a": 1, "t": "\ud800"}, {"n": 10**30}, "text", None, [1]])
def test_hash_of_what_is_hard_to_encode(item: Any) -> None:
    """Whatever JSON holds has a hash of 32 hexadecimal digits, the same every time."""
    assert content_hash(item) == content_hash(item)
    assert len(content_hash(item)) == 32
    assert int(content_hash(item), 16)


def test_keyed_hashes_differ() -> None:
    """With a key, who does not have it cannot tell what was hashed."""
    item = {"submission_id": "s1"}
    hashes = {content_hash(item, key) for key in (b"", b"one", b"two", b"x" * 64)}
    assert len(hashes) == 4


def test_hashing_leaves_the_submission_alone() -> None:
    """The submission that was hashed still has its signed URLs."""
    item = {"image": {"idImage": f"{IMAGE}?sig=a"}, "kyc": {"attempts": [{"selfieImage": "x?y"}]}}
    content_hash(item)
    assert item == {
        "image": {"idImage": f"{IMAGE}?sig=a"},
        "kyc": {"attempts": [{"selfieImage": "x?y"}]},
    }
