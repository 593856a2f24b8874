from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest

from argos_sync.emulator import Behaviour, Emulator, Faults, generate

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    Get = Callable[..., httpx.Response]
    Pages = Callable[..., list[dict[str, Any]]]
    Walk = Callable[..., list[str]]


@pytest.mark.parametrize("count", [1, 7, 200, 1_000])
def test_ascending(emulator: Emulator, walk_ids: Walk, count: int) -> None:
    """Rows come in the order of the store, whatever the size of a page."""
    assert walk_ids(count=count) == emulator.store.ids()


def test_descending(emulator: Emulator, walk_ids: Walk) -> None:
    """Rows come newest first."""
    emulator.behaviour = Behaviour(order="descending")
    assert walk_ids(count=7) == emulator.store.ids()[::-1]


def test_shuffled(emulator: Emulator, walk_ids: Walk) -> None:
    """Rows come in an arbitrary order that is the same at every walk and page size."""
    emulator.behaviour = Behaviour(order="shuffled")
    found = walk_ids(count=7)
    assert sorted(found) == sorted(emulator.store.ids())
    assert found != emulator.store.ids()
    assert walk_ids(count=50) == found


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
@pytest.mark.parametrize("count", [1, 2, 13])
def test_no_switch_loses_a_row(emulator: Emulator, walk_ids: Walk, order: Any, count: int) -> None:
    """Orders, short, empty and overlapping pages in any mixture still bring every row."""
    for spare in emulator.store.ids()[40:]:
        emulator.store.delete(spare)
    for short, empty, again in product((False, True), repeat=3):
        emulator.behaviour = Behaviour(
            order=order, short_pages=short, empty_pages=empty, duplicate_rows=again
        )
        found = walk_ids(count=count)
        assert set(found) == set(emulator.store.ids())
        assert again or len(found) == 40


def test_short_pages(emulator: Emulator, pages: Pages) -> None:
    """Pages differ in size, never exceed count, and carry a key though they are short."""
    emulator.behaviour = Behaviour(short_pages=True)
    sizes = [len(page["Items"]) for page in pages(count=20)]
    assert len(set(sizes)) > 3
    assert all(1 <= size <= 20 for size in sizes)
    assert sum(sizes) == 200


def test_empty_pages(emulator: Emulator, pages: Pages) -> None:
    """Every other page is empty and carries a key."""
    emulator.behaviour = Behaviour(empty_pages=True)
    walked = pages(count=50)
    assert [len(page["Items"]) for page in walked] == [0, 50] * 4
    assert all("nextpageKey" in page for page in walked[:-1])


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_duplicate_rows(emulator: Emulator, pages: Pages, order: Any) -> None:
    """Each page begins with the row the one before it ended with."""
    emulator.behaviour = Behaviour(duplicate_rows=True, order=order)
    walked = pages(count=10)
    assert all(one["Items"][-1] == two["Items"][0] for one, two in pairwise(walked))
    assert all(len(page["Items"]) <= 10 for page in walked)


def test_a_repeated_key(emulator: Emulator, get: Get) -> None:
    """From the second page on a client gets back the key it sent."""
    emulator.behaviour = Behaviour(repeated_key=True)
    key = get().json()["nextpageKey"]
    for _ in range(3):
        answer = get(nextpage_id=key["id"], nextpage_date=key["created_at"]).json()
        assert answer["nextpageKey"] == key
        assert answer["Items"]


@pytest.mark.parametrize(
    ("switch", "ending"),
    [("missing", {}), ("null", {"nextpageKey": None}), ("empty", {"nextpageKey": {}})],
)
def test_the_end_of_a_walk(emulator: Emulator, pages: Pages, switch: Any, ending: object) -> None:
    """The last page says in three ways that it is the last."""
    emulator.behaviour = Behaviour(nextpage_key_at_end=switch)
    last = pages(count=60)[-1]
    del last["Items"]
    assert last == ending


def test_an_exclusive_end_date(
    emulator: Emulator, walk_ids: Walk, submissions: list[dict[str, Any]]
) -> None:
    """The day named by end_date is then not in the answer."""
    emulator.behaviour = Behaviour(end_date="exclusive")
    assert walk_ids(start_date="2025-01-02", end_date="2025-01-04") == [
        one["submission_id"]
        for one in submissions
        if "2025-01-02" <= one["created_at"][:10] < "2025-01-04"
    ]
    assert walk_ids(start_date="2025-01-02", end_date="2025-01-02") == []


def test_korean_days(emulator: Emulator, walk_ids: Walk, submissions: list[dict[str, Any]]) -> None:
    """A Korean day begins at 15:00 UTC of the day before."""
    emulator.behaviour = Behaviour(day_zone="Asia/Seoul")
    assert walk_ids(start_date="2025-01-03", end_date="2025-01-03") == [
        one["submission_id"]
        for one in submissions
        if "2025-01-02-15" <= one["created_at"] < "2025-01-03-15"
    ]


@pytest.mark.parametrize(("oversize", "status"), [("413", 413), ("invalid_parameter", 400)])
def test_too_large_a_count(emulator: Emulator, get: Get, oversize: Any, status: int) -> None:
    """A count above the limit is refused in one of two ways, the limit itself is not."""
    emulator.behaviour = Behaviour(max_count=100, oversize=oversize)
    assert get(count=101).status_code == status
    assert len(get(count=100).json()["Items"]) == 100


def test_signed_images(emulator: Emulator, get: Get, submissions: list[dict[str, Any]]) -> None:
    """Only the query part of image URLs differs between two fetches, in every place."""
    emulator.behaviour = Behaviour(image_urls="signed")
    one, two = (get(count=5).json()["Items"] for _ in range(2))
    assert one != two
    for got, whole in zip(one, submissions, strict=False):
        urls = [*got["image"].values(), *(a["selfieImage"] for a in got["kyc"]["attempts"])]
        plain = [*whole["image"].values(), *(a["selfieImage"] for a in whole["kyc"]["attempts"])]
        assert all("X-Amz-Signature=" in url for url in urls)
        assert [url.partition("?")[0] for url in urls] == plain
        assert got["data"] == whole["data"]


def test_the_store_may_change_during_a_walk(emulator: Emulator, get: Get) -> None:
    """Deleting the row a key names loses none of those after it."""
    ids = emulator.store.ids()
    for order, expected in (("ascending", ids[50:]), ("descending", ids[:150][::-1])):
        emulator.behaviour = Behaviour(order=order)
        key = get(count=50).json()["nextpageKey"]
        emulator.store.delete(key["id"])
        rest = get(count=200, nextpage_id=key["id"], nextpage_date=key["created_at"]).json()
        emulator.store.restore(key["id"])
        assert [one["submission_id"] for one in rest["Items"]] == expected


def test_broken_items_are_served(emulator: Emulator, pages: Pages) -> None:
    """What has no usable id or created_at is in some page of a walk by days."""
    for spare in emulator.store.ids():
        emulator.store.delete(spare)
    made = generate(120, broken=True, messy=True, unencodable=True)
    for item in made:
        emulator.store.add(item)
    for order in ("ascending", "descending", "shuffled"):
        emulator.behaviour = Behaviour(order=order)
        walked = pages(count=7, start_date="2025-01-01", end_date="2025-12-31")
        served = [item for page in walked for item in page["Items"]]
        assert sorted(map(str, served)) == sorted(map(str, made))


@pytest.mark.parametrize("rates", [{"rate_500": -0.1}, {"rate_500": 0.6, "rate_drop": 0.6}])
def test_impossible_rates_are_refused(rates: dict[str, float]) -> None:
    """Rates are shares that add up to at most one."""
    with pytest.raises(ValueError, match="together at most 1"):
        replace(Faults(), **rates)
