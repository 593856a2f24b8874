"""The reader: concurrent tasks, joined sections, cursors to resume from."""

import asyncio
from copy import deepcopy
from dataclasses import replace
from typing import Any, Literal

import pytest

from argos_sync.api.budget import DailyBudget
from argos_sync.api.errors import InvalidApiKey, InvalidParameter, PageTooHeavy, RequestsUsedUp
from argos_sync.api.query import Query
from argos_sync.config import load_settings
from argos_sync.emulator import Store, generate
from argos_sync.fetch.completeness import Reading, ReadMode
from argos_sync.fetch.job import client_options
from argos_sync.fetch.reader import read_tasks
from argos_sync.fetch.task import Task, TaskPage
from argos_sync.fetch.windows import DateRange
from support import API_KEY, IMPATIENT, created_at
from twins import Twins
from whole_lists import Behaviour, Emulator

EVERYTHING = Query()
SECTIONS = ("others", "kyc", "aml", "data")
Order = Literal["ascending", "descending", "shuffled"]


def read(
    api: Emulator,
    tasks: list[Task],
    sections: tuple[str, ...] = (),
    concurrency: int = 2,
    page_size: int = 7,
    *,
    mode: ReadMode = "list",
    pages: list[TaskPage] | None = None,
    budget: DailyBudget | None = None,
) -> list[TaskPage]:
    """Return all pages of the tasks, and add them to `pages` if it is given."""
    settings = load_settings(
        {
            "api_key": API_KEY,
            "base_url": api.base_url,
            "page_size": page_size,
            "max_requests_per_second": 10_000.0,
        }
    )
    pages = [] if pages is None else pages

    async def deliver(page: TaskPage) -> None:
        pages.append(page)

    async def run() -> None:
        async with client_options(settings, retry=IMPATIENT, budget=budget).connect() as client:
            reading = Reading(mode, sections)
            await read_tasks(
                client, tasks, reading=reading, concurrency=concurrency, deliver=deliver
            )

    asyncio.run(run())
    return pages


def id_of(submission: dict[str, Any]) -> str:
    """Return the id of a submission."""
    return str(submission["submission_id"])


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_sections_are_joined_in_any_order(order: Order, january: list[dict[str, Any]]) -> None:
    """Four walks return the same submissions as one walk."""
    behaviour = Behaviour(order=order, short_pages=True, empty_pages=True, duplicate_rows=True)
    with Emulator(january[:60], behaviour=behaviour) as api:
        pages = read(api, [Task("all", "", EVERYTHING)], SECTIONS)
        served = api.store.all()
    items = [item for page in pages for item in page.items]
    assert sorted(items, key=id_of) == sorted(served, key=id_of)
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize("page_size", [2, 3, 50])
def test_versions_of_a_submission_are_joined_apart(page_size: int) -> None:
    """The sections of one version are never mixed with those of another."""
    created = {"created_at": "2025-01-05-00-00-00-000"}
    rows: list[dict[str, Any]] = [
        {"submission_id": name, **created, "userid": user, "kyc": {"result": user}}
        for name, user in [("a", "1"), ("b", "2"), ("b", "3"), ("b", "3"), ("c", "4")]
    ]
    with Twins(rows) as api:
        pages = read(api, [Task("all", "", EVERYTHING)], ("others", "kyc"), page_size=page_size)
    items = [item for page in pages for item in page.items]
    assert [(id_of(item), item["userid"]) for item in items] == [
        ("a", "1"),
        ("b", "2"),
        ("b", "3"),
        ("c", "4"),
    ]
    assert all(item["userid"] == item["kyc"]["result"] for item in items)
    assert pages[-1].done


def test_sections_in_the_same_order_resume_after_every_page(
    january: list[dict[str, Any]],
) -> None:
    """Each cursor returns exactly the rest."""
    with Emulator(january[:60]) as api:
        pages = read(api, [Task("all", "", EVERYTHING)], SECTIONS, page_size=20)
        items = [item for page in pages[:2] for item in page.items]
        cursor = pages[1].cursor
        assert cursor is not None
        assert set(cursor) == set(SECTIONS)
        rest = read(api, [Task("all", "", EVERYTHING, cursor)], SECTIONS, page_size=20)
    items += [item for page in rest for item in page.items]
    assert sorted(map(id_of, items)) == sorted(map(id_of, january[:60]))


def test_items_without_an_id_are_returned_by_every_section() -> None:
    """Items that cannot be joined still reach the quarantine."""
    broken = {"created_at": "2025-01-01-00-00-00-000", "kyc": {"result": "pending"}}
    with Emulator([broken]) as api:
        (page,) = read(api, [Task("all", "", EVERYTHING)], ("others", "kyc"))
    assert len(page.items) == 2


def test_the_first_error_cancels_all_tasks(january: list[dict[str, Any]]) -> None:
    """A single error is raised, not a group."""
    with (
        Emulator(january, behaviour=Behaviour(api_key="another")) as api,
        pytest.raises(InvalidApiKey),
    ):
        read(api, [Task(str(number), "", EVERYTHING) for number in range(5)], concurrency=3)


def test_pages_requested_within_the_budget_are_delivered(january: list[dict[str, Any]]) -> None:
    """The worker that finds the budget used up does not cancel the other workers' requests."""
    tasks = [Task(name, name, EVERYTHING) for name in ("one", "two", "three", "four")]
    pages: list[TaskPage] = []
    with Emulator(january) as api, pytest.raises(RequestsUsedUp):
        read(api, tasks, concurrency=4, pages=pages, budget=DailyBudget(limit=6))
    assert len(pages) == api.request_count == 6


def test_a_rejected_request_without_a_cursor_is_an_error(january: list[dict[str, Any]]) -> None:
    """Only a rejected cursor restarts a task from its beginning."""
    with (
        Emulator(january, behaviour=Behaviour(force_error="invalid_parameter")) as api,
        pytest.raises(InvalidParameter),
    ):
        read(api, [Task("all", "", EVERYTHING)])


def test_cursors_at_different_submissions_restart_the_task(
    january: list[dict[str, Any]],
) -> None:
    """Otherwise a submission that is in some of the remaining pages only would lose sections."""
    with Emulator(january[:60]) as api:
        first = read(api, [Task("all", "", EVERYTHING)], ("others", "kyc"), page_size=20)[0]
        second = read(api, [Task("all", "", EVERYTHING)], ("others", "kyc"), page_size=40)[0]
        assert first.cursor is not None
        assert second.cursor is not None
        cursors = {"others": first.cursor["others"], "kyc": second.cursor["kyc"]}
        pages = read(api, [Task("all", "", EVERYTHING, cursors)], ("others", "kyc"), page_size=20)
    items = [item for page in pages for item in page.items]
    assert {id_of(item) for item in items} == {id_of(item) for item in january[:60]}
    assert all("kyc" in item for item in items)
    assert pages[0].cursor is None, "its submissions are incomplete, and would be lost"
    assert pages[-1].cursor == {}
    assert [page.done for page in pages].count(True) == 1


@pytest.mark.parametrize("sections", [(), ("others", "kyc")])
def test_each_submission_is_fetched_by_its_id(
    sections: tuple[str, ...], january: list[dict[str, Any]]
) -> None:
    """Lists give the ids only; a task resumes after a page, and other days cost nothing."""
    january = january[:30]
    days = DateRange(created_at(january[10]).date(), None)
    kept = [item for item in january if created_at(item) in days]
    with Emulator(january, behaviour=Behaviour(list_rows="summary")) as api:
        task = Task("all", "", EVERYTHING, days=days)
        pages = read(api, [task], sections, mode="each")
        requests = api.request_count
        first = next(page for page in pages if page.items)
        rest = read(api, [replace(task, cursor=first.cursor)], sections, mode="each")
    items = [item for page in pages for item in page.items]
    assert sorted(map(id_of, items)) == sorted(map(id_of, kept))
    assert all(item["kyc"] == whole["kyc"] for item, whole in zip(items, kept, strict=True))
    assert requests == len(pages) + len(kept) * max(1, len(sections))
    later = [item for page in rest for item in page.items]
    assert sorted(map(id_of, [*first.items, *later])) == sorted(map(id_of, kept))


@pytest.mark.parametrize(
    ("mode", "list_rows"), [("list", "whole"), ("sections", "sections"), ("each", "summary")]
)
def test_a_heavy_submission_leaves_a_gap(
    mode: ReadMode, list_rows: Any, january: list[dict[str, Any]]
) -> None:
    """All others are returned, with no cursor that would pass it, and the error is raised last."""
    january = deepcopy(january[:30])
    january[12]["aml"] = {"raw_data": "x" * 40_000}
    behaviour = Behaviour(list_rows=list_rows, max_page_bytes=40_000)
    pages: list[TaskPage] = []
    with Emulator(january, behaviour=behaviour) as api, pytest.raises(PageTooHeavy):
        read(api, [Task("all", "", EVERYTHING)], mode=mode, pages=pages)
    items = [item for page in pages for item in page.items]
    others = [item for item in january if item is not january[12]]
    assert {id_of(item) for item in items} >= set(map(id_of, others))
    assert id_of(january[12]) not in {id_of(item) for item in items}
    assert not any(page.done for page in pages)
    gap = next(place for place, page in enumerate(pages) if page.gap)
    assert all(page.cursor is None for page in pages[gap:])


def test_large_submissions_fetched_one_by_one_come_in_small_parts() -> None:
    """Only the last part of a page has a cursor, because a task resumes after whole pages."""
    store = Store(generate(20, seed=1))
    behaviour = Behaviour(list_rows="summary", raw_data_bytes=1_000_000)
    with Emulator(store, behaviour=behaviour) as api:
        pages = read(api, [Task("all", "", EVERYTHING)], mode="each", page_size=100)
    ids = [item["submission_id"] for page in pages for item in page.items]
    assert sorted(ids) == sorted(store.ids())
    assert max(len(page.items) for page in pages) <= 6
    assert [page.cursor for page in pages] == [None] * (len(pages) - 1) + [{}]
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]
