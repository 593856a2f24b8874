"""Fixtures: an emulator that is running, and a minimal client for it."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from argos_sync.emulator import Faults, Store, generate
from whole_lists import Behaviour, Emulator

KEY = "k" * 40


@pytest.fixture(scope="session")
def submissions() -> list[dict[str, Any]]:
    """Return 200 plain submissions of one week."""
    return generate(200, seed=1, end=date(2025, 1, 7))


@pytest.fixture
def emulator(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """Run an emulator with the plain submissions and no faults."""
    with Emulator(Store(submissions), behaviour=Behaviour(), faults=Faults()) as running:
        yield running


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Share one client: to create one reads all certificates of the system."""
    with httpx.Client(trust_env=False) as http:
        yield http


@pytest.fixture
def get(emulator: Emulator, client: httpx.Client) -> Callable[..., httpx.Response]:
    """Send parameters as a URL query, or in the body with `json=`; `key=` sets the API key."""

    def send(
        *, json: object = None, content: bytes | None = None, key: str = KEY, **query: Any
    ) -> httpx.Response:
        return client.request(
            "GET",
            f"{emulator.base_url}/submission",
            params=query or None,
            json=json,
            content=content,
            headers={"x-api-key": key},
        )

    return send


@pytest.fixture
def pages(get: Callable[..., httpx.Response]) -> Callable[..., list[dict[str, Any]]]:
    """Walk to the end and return the pages; fail if a page key occurs twice."""

    def walk(**query: Any) -> list[dict[str, Any]]:
        walk_pages: list[dict[str, Any]] = []
        key: dict[str, str] = {}
        keys: set[tuple[str, ...]] = set()
        while True:
            response = get(**query, **key)
            assert response.status_code == 200
            walk_pages.append(response.json())
            next_key = walk_pages[-1].get("nextpageKey")
            if not next_key:
                return walk_pages
            key = {"nextpage_id": next_key["id"], "nextpage_date": next_key["created_at"]}
            assert tuple(key.values()) not in keys, "the same page key twice"
            keys.add(tuple(key.values()))

    return walk


@pytest.fixture
def walk_ids(pages: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[str]]:
    """Walk to the end and return the ids in the order of the rows."""

    def walk(**query: Any) -> list[str]:
        return [one["submission_id"] for page in pages(**query) for one in page["Items"]]

    return walk
