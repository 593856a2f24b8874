"""The content of lists, and pages that are too heavy for the gateway."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from argos_sync.api.crypto import Envelope
from argos_sync.emulator import Faults, generate
from whole_lists import Behaviour, Emulator

Get = Callable[..., httpx.Response]

SUMMARY = {
    "data": ("name", "gender", "nationality", "date_of_birth"),
    "kyc": ("result", "comment", "commentCode"),
}
TOP_LEVEL = ("email", "submission_id", "created_at", "pending_at", "reviewer", "userid")


def pick(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return some fields of an object."""
    return {name: fields[name] for name in names if name in fields}


def summary_of(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a submission."""
    sections = {name: pick(submission[name], fields) for name, fields in SUMMARY.items()}
    return pick(submission, TOP_LEVEL) | sections


def items(response: httpx.Response) -> list[Any]:
    """Return the items of a response."""
    assert response.status_code == 200
    rows: list[Any] = response.json()["Items"]
    return rows


@pytest.mark.parametrize("setting", ["sections", "summary"])
def test_a_list_is_a_summary(
    emulator: Emulator, get: Get, submissions: list[dict[str, Any]], setting: Any
) -> None:
    """A list without request_type has the fields of the vendor's page, for every filter."""
    emulator.behaviour = Behaviour(list_rows=setting)
    assert items(get(count=200)) == [summary_of(one) for one in submissions]
    one = next(one for one in submissions if {"pending_at", "reviewer"} <= set(one))
    for name in ("userid", "email"):
        assert summary_of(one) in items(get(**{name: one[name]}))
    assert set(TOP_LEVEL) <= set(summary_of(one))


@pytest.mark.parametrize("setting", ["whole", "sections", "summary"])
def test_one_submission_is_whole(
    emulator: Emulator, get: Get, submissions: list[dict[str, Any]], setting: Any
) -> None:
    """A request by submission_id returns everything, or everything of a section."""
    emulator.behaviour = Behaviour(list_rows=setting)
    one = submissions[60]
    assert items(get(submission_id=one["submission_id"])) == [one]
    (kyc,) = items(get(submission_id=one["submission_id"], request_type="kyc"))
    assert kyc == pick(one, ("submission_id", "kyc"))


def test_sections_of_a_list_are_whole(
    emulator: Emulator, get: Get, submissions: list[dict[str, Any]]
) -> None:
    """With `sections`, the four lists with request_type add up to the whole submissions."""
    emulator.behaviour = Behaviour(list_rows="sections")
    lists = [items(get(count=200, request_type=name)) for name in ("kyc", "aml", "data", "others")]
    for submission, *parts in zip(submissions, *lists, strict=True):
        merged: dict[str, Any] = {}
        for part in parts:
            merged |= part
        assert merged == submission


def test_sections_of_a_list_are_summaries(
    emulator: Emulator, get: Get, submissions: list[dict[str, Any]]
) -> None:
    """With `summary`, each section has its share of the summary; AML has the status."""
    emulator.behaviour = Behaviour(list_rows="summary")
    for name, fields in (SUMMARY | {"aml": ("currentstatus",)}).items():
        assert items(get(count=200, request_type=name)) == [
            {"submission_id": one["submission_id"], name: pick(one[name], fields)}
            for one in submissions
        ]
    others = items(get(count=200, request_type="others"))
    assert others == [pick(one, TOP_LEVEL) for one in submissions]


def test_summaries_of_broken_objects(emulator: Emulator, get: Get) -> None:
    """Anything that is not a documented submission can be summarized too."""
    for submission_id in emulator.store.ids():
        emulator.store.delete(submission_id)
    objects = generate(300, broken=True, messy=True, unencodable=True)
    for item in [*objects, {"submission_id": "A", "data": "text", "kyc": None, "email": {}}]:
        emulator.store.add(item)
    for setting in ("sections", "summary"):
        emulator.behaviour = Behaviour(list_rows=setting)
        rows = items(get(count=500))
        assert len(rows) == 301
        assert {"submission_id": "A", "data": "text", "kyc": None, "email": {}} in rows
        for section in ("kyc", "aml", "data", "others"):
            assert len(items(get(count=500, request_type=section))) == 301


@pytest.mark.parametrize("status", ["413", "500", "502", "504"])
def test_heavy_pages(emulator: Emulator, get: Get, status: Any) -> None:
    """A page above the limit is refused every time; a smaller one gets through."""
    limit = len(get(count=10).content)
    emulator.behaviour = Behaviour(max_page_bytes=limit, heavy_page=status)
    for _ in range(6):
        response = get(count=11)
        assert response.status_code == int(status)
        assert "message" in response.json()
    assert len(items(get(count=10))) == 10
    assert emulator.requests[0].items == 10
    assert emulator.requests[1].items == 0


def test_heavy_pages_are_502_by_default(emulator: Emulator, get: Get) -> None:
    """The response to a heavy page is 502 unless set, also for a single submission."""
    one = emulator.store.ids()[60]
    size = len(get(submission_id=one).content)
    emulator.behaviour = Behaviour(max_page_bytes=size)
    assert get(submission_id=one).status_code == 200
    emulator.behaviour = Behaviour(max_page_bytes=size - 1)
    assert get(submission_id=one).status_code == 502


def test_the_weight_is_that_of_the_response(emulator: Emulator, get: Get) -> None:
    """Encryption makes a page heavier, and a summary makes it lighter."""
    size = len(get(count=20).content)
    emulator.behaviour = Behaviour(max_page_bytes=size - 1, list_rows="sections")
    assert get(count=20).status_code == 200
    emulator.behaviour = Behaviour(max_page_bytes=size, encryption="ecb")
    body = Envelope("ecb", "k" * 40).encrypt(json.dumps({"count": 20}).encode())
    assert get(json={"body": body}).status_code == 502


def test_other_faults_meet_heavy_pages(emulator: Emulator, get: Get) -> None:
    """Faults of the gateway come in addition."""
    emulator.behaviour = Behaviour(max_page_bytes=100)
    emulator.faults = Faults(rate_429=1, max_consecutive=1)
    assert [get(count=9).status_code for _ in range(4)] == [429, 502, 429, 502]
