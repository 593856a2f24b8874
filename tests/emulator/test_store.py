from __future__ import annotations

import time
from typing import Any

import pytest

from argos_sync.emulator import Behaviour, Store
from argos_sync.emulator.pagination import Pager
from argos_sync.emulator.parameters import check


def one(name: str, created: str = "2025-01-01-00-00-00-000", **more: Any) -> dict[str, Any]:
    """A tiny submission."""
    return {"submission_id": name, "created_at": created, **more}


def test_rows_are_ordered_by_time_then_id() -> None:
    """The order of arrival does not matter."""
    store = Store([one("B"), one("C", "2024-01-01-00-00-00-000"), one("A")])
    assert store.ids() == ["C", "A", "B"]
    assert [row["submission_id"] for row in store.all()] == ["C", "A", "B"]
    assert len(store) == 3


def test_changes_are_seen_by_every_index() -> None:
    """Adding, changing, deleting and restoring keep ids, users and addresses in step."""
    store = Store([one("A", userid="u", email="e")])
    store.add(one("B", userid="u"))
    assert [row.id for row in store.find(userid="u")] == ["A", "B"]
    assert [row.id for row in store.find(userid="u", email="e")] == ["A"]
    store.update("B", {"email": "e", "userid": "v"})
    assert [row.id for row in store.find(userid="u")] == ["A"]
    assert [row.id for row in store.find(email="e")] == ["A", "B"]
    store.delete("A")
    assert store.ids() == ["B"]
    assert not store.find(submission_id="A")
    assert not store.find(userid="u")
    store.restore("A")
    assert store.get("A") == one("A", userid="u", email="e")
    assert [row.id for row in store.find(userid="u")] == ["A"]


def test_update_merges_and_replace_does_not() -> None:
    """Objects are merged field by field; a null stays a null; a whole submission replaces."""
    store = Store([one("A", kyc={"result": "pending", "attempts": [1]}, memo="m")])
    store.update("A", {"kyc": {"result": "approved"}, "memo": None, "aml": {"matches": []}})
    assert store.get("A") == one(
        "A", kyc={"result": "approved", "attempts": [1]}, memo=None, aml={"matches": []}
    )
    store.replace(one("A", "2026-01-01-00-00-00-000"))
    assert store.get("A") == one("A", "2026-01-01-00-00-00-000")


def test_what_is_given_out_is_a_copy() -> None:
    """Changing a submission that was read changes nothing in the store."""
    store = Store([one("A", data={"name": "x"})])
    store.get("A")["data"]["name"] = "y"
    assert store.get("A")["data"]["name"] == "x"


def test_ids_are_unique_and_must_exist() -> None:
    """Adding an id twice, or touching one that is not there, is an error."""
    store = Store([one("A")])
    with pytest.raises(ValueError, match="already"):
        store.add(one("A"))
    for call in (store.get, store.delete, store.restore):
        with pytest.raises(KeyError):
            call("missing")
    with pytest.raises(KeyError):
        store.update("missing", {})
    with pytest.raises(KeyError):
        store.replace(one("missing"))
    assert store.ids() == ["A"]


def test_unusable_items_keep_a_place() -> None:
    """Without id or created_at an item stands at the moment of the one before it."""
    items = [one("A"), one("", "bad"), "text", one("Z", "2025-01-02-00-00-00-000"), None]
    store = Store(items)
    made_up = [f"unidentified-{number}" for number in (1, 2, 3)]
    assert store.ids() == ["A", *made_up[:2], "Z", made_up[2]]
    assert len(store.all()) == 5
    store.delete("unidentified-2")
    assert "text" not in store.all()


def test_large_numbers_survive() -> None:
    """A number beyond 64 bits is served and read back exactly."""
    store = Store([one("A", n=10**30)])
    assert store.get("A")["n"] == 10**30
    assert b":1000000000000000000000000000000}" in store.raw()[0]


def test_a_page_of_many_rows_is_found_at_once() -> None:
    """A page out of the middle of 100,000 rows takes milliseconds, in every order."""
    rows = (
        one(f"{n:06}", f"2025-01-{n % 28 + 1:02}-00-00-00-{n % 1000:03}") for n in range(100_000)
    )
    pager = Pager(Store(rows))
    asked = {
        "nextpage_id": "050000",
        "nextpage_date": "2025-01-21-00-00-00-000",
        "start_date": "2025-01-10",
        "count": 500,
    }
    for order in ("ascending", "descending", "shuffled"):
        behaviour = Behaviour(order=order)
        query = check(asked, behaviour)
        pager.page(query, behaviour)
        before = time.perf_counter()
        assert len(pager.page(query, behaviour).records) == 500
        assert time.perf_counter() - before < 0.05


def test_shuffled_windows_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pager forgets shuffled windows instead of keeping all of them."""
    monkeypatch.setattr("argos_sync.emulator.pagination._CACHED_SHUFFLES", 2)
    pager = Pager(Store(one(f"{n}", f"2025-01-{n:02}-00-00-00-000") for n in range(1, 29)))
    behaviour = Behaviour(order="shuffled")
    for day in range(1, 29):
        text = f"2025-01-{day:02}"
        query = check({"start_date": text, "end_date": text}, behaviour)
        assert [
            found.read()["submission_id"] for found in pager.page(query, behaviour).records
        ] == [str(day)]
    assert len(pager._shuffles) <= 2
