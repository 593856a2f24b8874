"""Reading whole submissions from an API whose lists may be summaries."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, Literal

import pytest

from argos_sync.api.client import ArgosClient
from argos_sync.config import load_settings
from argos_sync.fetch.completeness import Completeness, Reading
from argos_sync.fetch.job import client_options
from argos_sync.fetch.list_probe import (
    ListsAreIncomplete,
    ListVerifier,
    ReadingAnswer,
    Suspect,
    find_reading,
    probe_completeness,
)
from support import API_KEY, IMPATIENT
from whole_lists import Behaviour, Emulator, HidingEmulator

TODAY = date(2025, 2, 1)

ListRows = Literal["whole", "sections", "summary"]


def connect(api: Emulator, page_size: int = 200) -> ArgosClient:
    """Return a client of the emulator."""
    settings = load_settings(
        {"api_key": API_KEY, "base_url": api.base_url, "max_requests_per_second": 10_000.0}
    )
    return client_options(settings, page_size, IMPATIENT).connect()


def probe(api: Emulator, sections: tuple[str, ...] = ()) -> Completeness | None:
    """Return what a probe finds out."""

    async def run() -> Completeness | None:
        async with connect(api) as client:
            return await probe_completeness(client, sections)

    return asyncio.run(run())


def resolve(api: Emulator, state: dict[str, Any], **options: Any) -> ReadingAnswer:
    """Return how to read, by the setting `auto`."""
    today = options.pop("today", TODAY)
    connected: Callable[[int], ArgosClient] = lambda page_size: connect(api, page_size)  # noqa: E731
    return asyncio.run(find_reading("auto", (), state, connected, today, **options))


@pytest.mark.parametrize(
    ("list_rows", "sections", "mode"),
    [
        ("whole", (), "list"),
        ("sections", (), "sections"),
        ("summary", (), "each"),
        ("sections", ("others", "kyc"), "sections"),
        ("summary", ("others", "kyc"), "each"),
    ],
)
def test_probe(
    list_rows: ListRows,
    sections: tuple[str, ...],
    mode: str,
    january: list[dict[str, Any]],
) -> None:
    """A few requests find the cheapest way that loses nothing."""
    with Emulator(january, behaviour=Behaviour(list_rows=list_rows)) as api:
        answer = probe(api, sections)
        assert api.request_count <= 6 + 15 * max(1, len(sections))
    assert answer is not None
    assert answer.mode == mode
    assert bool(answer.missing) is (mode != "list" and not (mode == "sections" and sections))


def test_probe_needs_rich_submissions(january: list[dict[str, Any]]) -> None:
    """Submissions that have only the fields of a summary prove nothing."""
    poor = [
        {"submission_id": s["submission_id"], "created_at": s["created_at"], "email": "a@b.c"}
        for s in january[:5]
    ]
    with Emulator(poor) as api:
        assert probe(api) is None
        answer = resolve(api, {})
    assert (answer.reading.mode, answer.state) == ("each", {})
    with Emulator([]) as api:
        assert probe(api) is None


def test_a_list_without_matches_only(january: list[dict[str, Any]]) -> None:
    """A single section that lists leave out is noticed, whichever rows are on the first page."""
    flagged = [s for s in january if (s.get("aml") or {}).get("currentstatus") == "Red Flag"]
    assert 0 < len(flagged) < len(january) / 2

    def without_matches(submission: dict[str, Any]) -> dict[str, Any]:
        aml = submission.get("aml")
        return submission | {"aml": aml and {k: v for k, v in aml.items() if k != "matches"}}

    with HidingEmulator(january, without_matches) as api:
        answer = probe(api)
    assert answer is not None
    assert answer.mode == "each"
    assert all("matches" in path for path in answer.missing)


def test_short_pages(january: list[dict[str, Any]]) -> None:
    """A page can have a single row; the probe needs more of them."""
    decided = next(s for s in january if s["kyc"]["result"] == "approved")
    rows = [january[0] | {"kyc": {"result": "pending"}, "aml": None}, *[decided] * 5]
    rows = [row | {"submission_id": f"sub-{n}"} for n, row in enumerate(rows)]

    async def run() -> Completeness | None:
        async with connect(api, page_size=1) as client:
            return await probe_completeness(client)

    with Emulator(rows) as api:
        answer = asyncio.run(run())
    assert answer is not None
    assert {"kyc.result", "data.nationality"} <= set(answer.usual_paths)


def test_an_answer_without_decided_rows_is_not_kept(january: list[dict[str, Any]]) -> None:
    """Nothing would notice that lists have become summaries."""
    rows = [row | {"kyc": {"result": "pending"}} for row in january[:10]]
    with Emulator(rows) as api:
        first = resolve(api, {})
        assert (first.reading.mode, first.reading.usual_paths) == ("list", frozenset())
        api.behaviour = Behaviour(list_rows="sections")
        assert resolve(api, first.state).reading.mode == "sections"


def test_a_suspect_is_compared(january: list[dict[str, Any]]) -> None:
    """Wherever it is in the list, and in each of the lists."""
    rows = [row | {"bank_verification": None} for row in january]
    rows[-1] = rows[-1] | {"bank_verification": {"result": "success"}}
    suspect = Suspect(rows[-1]["submission_id"], date(2025, 1, 31))
    with HidingEmulator(rows, lambda row: row | {"bank_verification": None}) as api:
        state = resolve(api, {}).state
        assert state["completeness"]["mode"] == "list"
        answer = resolve(api, state, suspects=[suspect])
    assert answer.reading.mode == "each"
    assert answer.change == (
        "the API has changed: lists are summaries, so every submission is fetched by its id"
        " (lists lack bank_verification.result)"
    )


def test_one_row_is_sampled_each_day(january: list[dict[str, Any]]) -> None:
    """Other days compare other rows, so that in time each kind is compared."""
    rows = january[:40]
    asked: set[str] = set()

    class Listening(Emulator):
        def answer(self, query: str, body: bytes, api_key: str) -> Any:
            asked.add(query)
            return super().answer(query, body, api_key)

    async def verify(reading: Reading) -> None:
        async with connect(api) as client:
            verifier = ListVerifier(reading)
            for _ in range(2):
                await verifier.verify(client, rows)

    with Listening(rows) as api:
        reading = resolve(api, {}).reading
        asked.clear()
        for day in range(1, 21):
            before = api.request_count
            asyncio.run(verify(replace(reading, sampled_on=date(2025, 2, day))))
            assert api.request_count == before + 1
        assert len({query for query in asked if "submission_id" in query}) > 10
        asked.clear()
        asyncio.run(verify(reading))
        assert asked == set()


def test_answer_is_kept_for_a_month(january: list[dict[str, Any]]) -> None:
    """A recent answer needs no request; an old one is checked, and a change is reported."""
    with Emulator(january) as api:
        state = resolve(api, {}).state
        asked = api.request_count
        assert resolve(api, state, today=date(2025, 3, 2)).reading.mode == "list"
        assert api.request_count == asked
        api.behaviour = Behaviour(list_rows="sections")
        changed = resolve(api, state, today=date(2025, 3, 3))
    assert changed.reading.mode == "sections"
    assert changed.change is not None
    assert changed.change.startswith("the API has changed: a list is a summary")


def test_verifier_notices_summaries(january: list[dict[str, Any]]) -> None:
    """A list that becomes a summary is noticed at its first page; whole ones cost little."""
    with Emulator(january) as api:
        reading = resolve(api, {}).reading
        rows = api.store.all()
        asked = api.request_count

        async def verify(pages: list[list[Any]]) -> None:
            verifier = ListVerifier(reading)
            async with connect(api) as client:
                for page in pages:
                    await verifier.verify(client, page)

        asyncio.run(verify([rows[start : start + 20] for start in range(0, len(rows), 20)]))
        assert api.request_count - asked <= 3
        summaries = [
            {key: row[key] for key in ("submission_id", "created_at", "kyc") if key in row}
            for row in rows
        ]
        with pytest.raises(ListsAreIncomplete, match="lists of the API lack "):
            asyncio.run(verify([summaries]))
        configured = ListVerifier(replace(reading, is_verified=False))
        asyncio.run(configured.verify(connect(api), summaries))


def test_deletion_stubs_are_not_verified(january: list[dict[str, Any]]) -> None:
    """They lack most fields, so they would use up the requests that verify lists."""
    with Emulator(january) as api:
        reading = resolve(api, {}).reading
        for submission_id in api.store.ids():
            api.store.leave_stub(submission_id)
        asked = api.request_count

        async def verify() -> None:
            async with connect(api) as client:
                await ListVerifier(reading).verify(client, api.store.all())

        asyncio.run(verify())
        assert api.request_count == asked
