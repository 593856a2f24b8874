"""A running emulator, and the plainest possible client."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from argos_sync.emulator import Behaviour, Emulator, Faults, Store, generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "k" * 40


@pytest.fixture(scope="session")
def submissions() -> list[dict[str, Any]]:
    """Two hundred plain submissions of one week."""
    return generate(200, seed=1, end=date(2025, 1, 7))


@pytest.fixture
def emulator(submissions: list[dict[str, Any]]) -> Iterator[Emulator]:
    """An emulator with the plain submissions and no faults."""
    with Emulator(Store(submissions), behaviour=Behaviour(), faults=Faults()) as running:
        yield running


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """One client for all tests: making one reads all certificates of the system."""
    with httpx.Client(trust_env=False) as shared:
        yield shared


@pytest.fixture
def get(emulator: Emulator, client: httpx.Client) -> Callable[..., httpx.Response]:
    """Sends parameters as a URL query; `json=` sends them in the body, `key=` another API key."""

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
    """Walks to the end and lists the pages; a key that comes twice fails."""

    def walk(**query: Any) -> list[dict[str, Any]]:
        found, key, seen = [], {}, set()
        while True:
            response = get(**query, **key)
            assert response.status_code == 200
            found.append(response.json())
            following = found[-1].get("nextpageKey")
            if not following:
                return found
            key = {"nextpage_id": following["id"], "nextpage_date": following["created_at"]}
            assert tuple(key.values()) not in seen, "the same key twice"
            seen.add(tuple(key.values()))

    return walk


@pytest.fixture
def walk_ids(pages: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[str]]:
    """Walks to the end and lists the ids as they came."""

    def walk(**query: Any) -> list[str]:
        return [one["submission_id"] for page in pages(**query) for one in page["Items"]]

    return walk
