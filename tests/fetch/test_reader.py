"""Reading tasks: concurrency, joining of sections, places to go on from."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from argos_sync.api import Query
from argos_sync.api.errors import InvalidApiKey, InvalidParameter
from argos_sync.config import load_settings
from argos_sync.emulator import Behaviour, Emulator
from argos_sync.fetch.client import client_options
from argos_sync.fetch.reader import Task, TaskPage, read_tasks
from support import API_KEY, IMPATIENT

SECTIONS = ("others", "kyc", "aml", "data")


def read(
    api: Emulator,
    tasks: list[Task],
    sections: tuple[str, ...] = (),
    concurrency: int = 2,
    page_size: int = 7,
) -> list[TaskPage]:
    """Return all pages of some tasks."""
    settings = load_settings(
        {
            "api_key": API_KEY,
            "base_url": api.base_url,
            "page_size": page_size,
            "max_requests_per_second": 10_000.0,
        }
    )
    pages: list[TaskPage] = []

    async def deliver(page: TaskPage) -> None:
        pages.append(page)

    async def run() -> None:
        async with client_options(settings, retry=IMPATIENT).connect() as client:
            await read_tasks(
                client, tasks, sections=sections, concurrency=concurrency, deliver=deliver
            )

    asyncio.run(run())
    return pages


def everything(section: str | None) -> Query:
    """Ask for all submissions."""
    return Query(request_type=section)


def person(submission: dict[str, Any]) -> str:
    """Return what identifies a submission in these tests."""
    return str(submission["submission_id"])


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_sections_are_joined_whatever_the_order(order: Any, january: list[dict[str, Any]]) -> None:
    """Four walks give the submissions one walk gives."""
    behaviour = Behaviour(order=order, short_pages=True, empty_pages=True, duplicate_rows=True)
    with Emulator(january, behaviour=behaviour) as api:
        pages = read(api, [Task("all", "", everything)], SECTIONS)
        served = api.store.all()
    items = [item for page in pages for item in page.items]
    assert sorted(items, key=person) == sorted(served, key=person)
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]


def test_sections_of_the_same_order_can_be_gone_on_with_after_every_page(
    january: list[dict[str, Any]],
) -> None:
    """From each cursor on, exactly the rest comes."""
    with Emulator(january[:60]) as api:
        pages = read(api, [Task("all", "", everything)], SECTIONS, page_size=20)
        got = [item for page in pages[:2] for item in page.items]
        cursor = pages[1].cursor
        assert cursor is not None
        assert set(cursor) == set(SECTIONS)
        rest = read(api, [Task("all", "", everything, cursor)], SECTIONS, page_size=20)
    items = got + [item for page in rest for item in page.items]
    assert sorted(map(person, items)) == sorted(map(person, january[:60]))


def test_incomplete_submissions_are_no_place_to_stop_at(january: list[dict[str, Any]]) -> None:
    """While one section waits for another there is no cursor, for what waits would be lost."""
    with Emulator(january[:60], behaviour=Behaviour(short_pages=True)) as api:
        pages = read(api, [Task("all", "", everything)], SECTIONS, page_size=20)
    waiting = {page.cursor is None for page in pages[:-1]}
    assert waiting <= {True, False}
    assert pages[-1].cursor == {}


def test_what_has_no_id_is_passed_on_from_every_section() -> None:
    """Entries that cannot be joined still reach the quarantine."""
    broken = {"created_at": "2025-01-01-00-00-00-000", "kyc": {"result": "pending"}}
    with Emulator([broken]) as api:
        (page,) = read(api, [Task("all", "", everything)], ("others", "kyc"))
    assert len(page.items) == 2


def test_the_first_failure_ends_all_tasks(january: list[dict[str, Any]]) -> None:
    """One error comes out, not a group of them."""
    with (
        Emulator(january, behaviour=Behaviour(api_key="another")) as api,
        pytest.raises(InvalidApiKey),
    ):
        read(api, [Task(str(number), "", everything) for number in range(5)], concurrency=3)


def test_a_refused_request_without_a_cursor_is_an_error(january: list[dict[str, Any]]) -> None:
    """Only a stored key is worth a second try from the beginning."""
    with (
        Emulator(january, behaviour=Behaviour(force_error="invalid_parameter")) as api,
        pytest.raises(InvalidParameter),
    ):
        read(api, [Task("all", "", everything)])


def test_a_row_that_comes_again_after_a_pause_keeps_its_sections(
    january: list[dict[str, Any]],
) -> None:
    """When the walks no longer agree, the task is read again from its beginning."""
    with Emulator(january[:60]) as api:
        first = read(api, [Task("all", "", everything)], ("others", "kyc"), page_size=20)[0]
        second = read(api, [Task("all", "", everything)], ("others", "kyc"), page_size=40)[0]
        assert first.cursor is not None
        assert second.cursor is not None
        apart = {"others": first.cursor["others"], "kyc": second.cursor["kyc"]}
        pages = read(api, [Task("all", "", everything, apart)], ("others", "kyc"), page_size=20)
    items = [item for page in pages for item in page.items]
    assert {person(item) for item in items} == {person(item) for item in january[:60]}
    assert all("kyc" in item for item in items)
    assert [page.done for page in pages].count(True) == 1
