import json
from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import httpx
import pytest

from argos_sync.emulator import Faults, generate
from whole_lists import Behaviour, Emulator

Get = Callable[..., httpx.Response]
Pages = Callable[..., list[dict[str, Any]]]
Walk = Callable[..., list[str]]


@pytest.mark.parametrize("count", [1, 7, 200, 1_000])
def test_ascending(emulator: Emulator, walk_ids: Walk, count: int) -> None:
    """Rows come in ascending order for every page size."""
    assert walk_ids(count=count) == emulator.store.ids()


def test_descending(emulator: Emulator, walk_ids: Walk) -> None:
    """Rows come in descending order."""
    emulator.behaviour = Behaviour(order="descending")
    assert walk_ids(count=7) == emulator.store.ids()[::-1]


def test_shuffled(emulator: Emulator, walk_ids: Walk) -> None:
    """Rows come in an arbitrary order, the same for every walk and page size."""
    emulator.behaviour = Behaviour(order="shuffled")
    ids = walk_ids(count=7)
    assert sorted(ids) == sorted(emulator.store.ids())
    assert ids != emulator.store.ids()
    assert walk_ids(count=50) == ids


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
@pytest.mark.parametrize("count", [1, 2, 13])
def test_no_setting_loses_a_row(emulator: Emulator, walk_ids: Walk, order: Any, count: int) -> None:
    """Every combination of order and short, empty or overlapping pages returns all rows."""
    for submission_id in emulator.store.ids()[40:]:
        emulator.store.delete(submission_id)
    for short, empty, overlap in product((False, True), repeat=3):
        emulator.behaviour = Behaviour(
            order=order, short_pages=short, empty_pages=empty, duplicate_rows=overlap
        )
        ids = walk_ids(count=count)
        assert set(ids) == set(emulator.store.ids())
        assert overlap or len(ids) == 40


def test_short_pages(emulator: Emulator, pages: Pages) -> None:
    """Short pages differ in size, never exceed `count`, and still have a key."""
    emulator.behaviour = Behaviour(short_pages=True)
    sizes = [len(page["Items"]) for page in pages(count=20)]
    assert len(set(sizes)) > 3
    assert all(1 <= size <= 20 for size in sizes)
    assert sum(sizes) == 200


def test_empty_pages(emulator: Emulator, pages: Pages) -> None:
    """Every other page is empty and has a key."""
    emulator.behaviour = Behaviour(empty_pages=True)
    walk = pages(count=50)
    assert [len(page["Items"]) for page in walk] == [0, 50] * 4
    assert all("nextpageKey" in page for page in walk[:-1])


def test_an_id_is_known_although_its_first_page_is_empty(emulator: Emulator, pages: Pages) -> None:
    """Only ids that the emulator does not have are refused."""
    emulator.behaviour = Behaviour(empty_pages=True, unknown_id="404")
    walk = pages(submission_id=emulator.store.ids()[0])
    assert [len(page["Items"]) for page in walk] == [0, 1]


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_duplicate_rows(emulator: Emulator, pages: Pages, order: Any) -> None:
    """Each page starts with the last row of the page before it."""
    emulator.behaviour = Behaviour(duplicate_rows=True, order=order)
    walk = pages(count=10)
    assert all(one["Items"][-1] == two["Items"][0] for one, two in pairwise(walk))
    assert all(len(page["Items"]) <= 10 for page in walk)


def test_repeated_key(emulator: Emulator, get: Get) -> None:
    """Each page after the first returns the key that the client sent."""
    emulator.behaviour = Behaviour(repeated_key=True)
    key = get().json()["nextpageKey"]
    for _ in range(3):
        page = get(nextpage_id=key["id"], nextpage_date=key["created_at"]).json()
        assert page["nextpageKey"] == key
        assert page["Items"]


@pytest.mark.parametrize("taken", ["parts", "opaque"])
@pytest.mark.parametrize("form", ["json", "base64", "typed", "id"])
def test_forms_of_a_page_key(emulator: Emulator, get: Get, form: Any, taken: Any) -> None:
    """A key is taken in one way only, and then brings the rows after it."""
    emulator.behaviour = Behaviour(nextpage_key=form, nextpage_key_taken=taken)
    first = get(count=150).json()
    last = first["Items"][-1]
    parts = {"nextpage_id": last["submission_id"], "nextpage_date": last["created_at"]}
    key = first["nextpageKey"]
    if form == "typed":
        opaque = {
            "nextpage_id": json.dumps(key["id"]),
            "nextpage_date": json.dumps(key["created_at"]),
        }
    elif form == "id":
        parts = opaque = {"nextpage_id": key["id"]}
    else:
        opaque = {"nextpage_id": key}
    ways = {"parts": parts, "opaque": opaque}
    assert len(get(**ways.pop(taken)).json()["Items"]) == 50
    (other,) = ways.values()
    assert get(**other).status_code == (200 if form == "id" else 400)


@pytest.mark.parametrize(
    ("setting", "ending"),
    [("missing", {}), ("null", {"nextpageKey": None}), ("empty", {"nextpageKey": {}})],
)
def test_end_of_a_walk(emulator: Emulator, pages: Pages, setting: Any, ending: object) -> None:
    """The last page has no key, a null key or an empty key."""
    emulator.behaviour = Behaviour(nextpage_key_at_end=setting)
    last = pages(count=60)[-1]
    del last["Items"]
    assert last == ending


def test_large_raw_data(emulator: Emulator, pages: Pages) -> None:
    """Each submission has random text, the same in every response, beside what it had."""
    original = {one["submission_id"]: one["aml"] for one in emulator.store.all()}
    emulator.behaviour = Behaviour(raw_data_bytes=5_000)
    first, second = ([item for page in pages() for item in page["Items"]] for _ in range(2))
    assert first == second
    texts = {item["aml"]["raw_data"].pop("documents") for item in first}
    assert {len(text) for text in texts} == {5_000}
    assert len(texts) == len(first)
    for item in first:
        assert item["aml"]["raw_data"] == (original[item["submission_id"]].get("raw_data") or {})


def test_exclusive_end_date(
    emulator: Emulator, walk_ids: Walk, submissions: list[dict[str, Any]]
) -> None:
    """An exclusive `end_date` leaves its own day out."""
    emulator.behaviour = Behaviour(end_date="exclusive")
    assert walk_ids(start_date="2025-01-02", end_date="2025-01-04") == [
        one["submission_id"]
        for one in submissions
        if "2025-01-02" <= one["created_at"][:10] < "2025-01-04"
    ]
    assert walk_ids(start_date="2025-01-02", end_date="2025-01-02") == []


def test_korean_days(emulator: Emulator, walk_ids: Walk, submissions: list[dict[str, Any]]) -> None:
    """A Korean day starts at 15:00 UTC of the day before."""
    emulator.behaviour = Behaviour(day_zone="Asia/Seoul")
    assert walk_ids(start_date="2025-01-03", end_date="2025-01-03") == [
        one["submission_id"]
        for one in submissions
        if "2025-01-02-15" <= one["created_at"] < "2025-01-03-15"
    ]


@pytest.mark.parametrize(("oversize", "status"), [("413", 413), ("invalid_parameter", 400)])
def test_count_above_the_limit(emulator: Emulator, get: Get, oversize: Any, status: int) -> None:
    """A count above the limit is refused with 413 or 400; the limit itself is allowed."""
    emulator.behaviour = Behaviour(max_count=100, oversize=oversize)
    assert get(count=101).status_code == status
    assert len(get(count=100).json()["Items"]) == 100


def image_urls(submission: dict[str, Any]) -> list[str]:
    """Return the URLs of all images of a submission."""
    attempts = [one for one in submission["kyc"]["attempts"] if "selfieImage" in one]
    return [*submission.get("image", {}).values(), *(one["selfieImage"] for one in attempts)]


def test_signed_images(emulator: Emulator, get: Get, submissions: list[dict[str, Any]]) -> None:
    """Signed image URLs differ in every response, but only in their query part."""
    emulator.behaviour = Behaviour(image_urls="signed")
    one, two = (get(count=5).json()["Items"] for _ in range(2))
    assert one != two
    for got, whole in zip(one, submissions, strict=False):
        urls, plain = image_urls(got), image_urls(whole)
        assert all("X-Amz-Signature=" in url for url in urls)
        assert [url.partition("?")[0] for url in urls] == plain
        assert got["data"] == whole["data"]


def test_deletion_during_a_walk(emulator: Emulator, get: Get) -> None:
    """Deleting the row that a key names loses no row after it."""
    ids = emulator.store.ids()
    for behaviour, expected in (
        (Behaviour(order="ascending"), ids[50:]),
        (Behaviour(order="descending"), ids[:150][::-1]),
    ):
        emulator.behaviour = behaviour
        key = get(count=50).json()["nextpageKey"]
        emulator.store.delete(key["id"])
        rest = get(count=200, nextpage_id=key["id"], nextpage_date=key["created_at"]).json()
        emulator.store.restore(key["id"])
        assert [one["submission_id"] for one in rest["Items"]] == expected


def test_broken_items_are_served(emulator: Emulator, pages: Pages) -> None:
    """A walk by days also returns items without a usable id or created_at."""
    for submission_id in emulator.store.ids():
        emulator.store.delete(submission_id)
    items = generate(120, broken=True, messy=True, unencodable=True)
    for item in items:
        emulator.store.add(item)
    for order in ("ascending", "descending", "shuffled"):
        emulator.behaviour = Behaviour(order=order)
        walk = pages(count=7, start_date="2025-01-01", end_date="2025-12-31")
        rows = [item for page in walk for item in page["Items"]]
        assert sorted(map(str, rows)) == sorted(map(str, items))


@pytest.mark.parametrize("rates", [{"rate_500": -0.1}, {"rate_500": 0.6, "rate_drop": 0.6}])
def test_invalid_rates(rates: dict[str, Any]) -> None:
    """Rates that are negative or add up to more than 1 are refused."""
    with pytest.raises(ValueError, match="add up to at most 1"):
        Faults(**rates)


@pytest.mark.parametrize(
    ("form", "value"), [("missing", "-"), ("null", None), ("object", {}), ("list", [])]
)
def test_sections_without_content(
    emulator: Emulator, pages: Pages, walk_ids: Walk, form: Any, value: Any
) -> None:
    """An empty section is missing or has another form; a walk of a missing one has no rows."""
    emulator.behaviour = Behaviour(empty=["data", "attempts"], empty_as=form)
    rows = [row for page in pages(count=100) for row in page["Items"]]
    assert len(rows) == 200
    assert [row for row in rows if row.get("data", "-") != value] == []
    attempts = [row["kyc"].get("attempts", "-") for row in rows]
    assert [one for one in attempts if one not in (value, [])] == []
    assert len(walk_ids(request_type="data")) == (0 if form == "missing" else 200)
    assert len(walk_ids(request_type="kyc")) == 200


def test_others_without_content(emulator: Emulator, pages: Pages) -> None:
    """What makes it a submission stays, and a share of them is always the same."""
    emulator.behaviour = Behaviour(empty=["others"], empty_share=0.5)
    rows = [row for page in pages(request_type="others") for row in page["Items"]]
    empty = [row for row in rows if row.keys() == {"submission_id", "created_at"}]
    assert len(rows) == 200
    assert 70 < len(empty) < 130
    assert empty == [
        row
        for page in pages(request_type="others", count=7)
        for row in page["Items"]
        if row.keys() == {"submission_id", "created_at"}
    ]


def test_there_is_no_such_section() -> None:
    """The message names the sections."""
    with pytest.raises(ValueError, match="--empty takes one of kyc, aml"):
        Behaviour(empty=["comments"])
