import timeit
from functools import partial
from typing import Any

import pytest

from argos_sync.emulator import Behaviour, Store
from argos_sync.emulator.pagination import Paginator
from argos_sync.emulator.parameters import parse_query


def one(name: str, created: str = "2025-01-01-00-00-00-000", **more: Any) -> dict[str, Any]:
    """Return a tiny submission."""
    return {"submission_id": name, "created_at": created, **more}


def test_order_by_time_then_id() -> None:
    """Submissions are sorted, whatever order they come in."""
    store = Store([one("B"), one("C", "2024-01-01-00-00-00-000"), one("A")])
    assert store.ids() == ["C", "A", "B"]
    assert [row["submission_id"] for row in store.all()] == ["C", "A", "B"]
    assert len(store) == 3


def test_changes_update_every_index() -> None:
    """Adding, updating, deleting and restoring update the index of ids, users and emails."""
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
    """`update` merges objects field by field and sets nulls; `replace` merges nothing."""
    store = Store([one("A", kyc={"result": "pending", "attempts": [1]}, memo="m")])
    store.update("A", {"kyc": {"result": "approved"}, "memo": None, "aml": {"matches": []}})
    assert store.get("A") == one(
        "A", kyc={"result": "approved", "attempts": [1]}, memo=None, aml={"matches": []}
    )
    store.replace(one("A", "2026-01-01-00-00-00-000"))
    assert store.get("A") == one("A", "2026-01-01-00-00-00-000")


def test_get_returns_a_copy() -> None:
    """Changing a submission that `get` returned does not change the store."""
    store = Store([one("A", data={"name": "x"})])
    store.get("A")["data"]["name"] = "y"
    assert store.get("A")["data"]["name"] == "x"


def test_ids_are_unique_and_must_exist() -> None:
    """An id that exists cannot be added; one that is missing cannot be changed."""
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


def test_items_without_id_or_time() -> None:
    """An item without a usable created_at takes the time of the item before it."""
    items = [one("A"), one("", "bad"), "text", one("Z", "2025-01-02-00-00-00-000"), None]
    store = Store(items)
    new_ids = [f"unidentified-{number}" for number in (1, 2, 3)]
    assert store.ids() == ["A", *new_ids[:2], "Z", new_ids[2]]
    assert len(store.all()) == 5
    store.delete("unidentified-2")
    assert "text" not in store.all()


def test_large_numbers() -> None:
    """A number beyond 64 bits is stored and returned exactly."""
    store = Store([one("A", n=10**30)])
    assert store.get("A")["n"] == 10**30
    assert b":1000000000000000000000000000000}" in store.records(store.find())[0].raw


def test_time_to_find_a_page() -> None:
    """Finding a page among 20,000 rows takes milliseconds in every order."""
    rows = (
        one(f"{n:06}", f"2025-01-{n % 28 + 1:02}-00-00-00-{n % 1000:03}") for n in range(20_000)
    )
    paginator = Paginator(Store(rows))
    parameters = {
        "nextpage_id": "010016",
        "nextpage_date": "2025-01-21-00-00-00-016",
        "start_date": "2025-01-10",
        "count": 500,
    }
    for order in ("ascending", "descending", "shuffled"):
        behaviour = Behaviour(order=order)
        query = parse_query(parameters, behaviour)
        assert len(paginator.page(query, behaviour).records) == 500
        seconds = timeit.repeat(partial(paginator.page, query, behaviour), number=1, repeat=5)
        assert min(seconds) < 0.001


def test_limit_of_shuffled_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paginator caches a limited number of shuffled windows."""
    monkeypatch.setattr("argos_sync.emulator.pagination._CACHED_SHUFFLES", 2)
    paginator = Paginator(Store(one(f"{n}", f"2025-01-{n:02}-00-00-00-000") for n in range(1, 29)))
    behaviour = Behaviour(order="shuffled")
    for day in range(1, 29):
        text = f"2025-01-{day:02}"
        query = parse_query({"start_date": text, "end_date": text}, behaviour)
        assert [
            row.read()["submission_id"] for row in paginator.page(query, behaviour).records
        ] == [str(day)]
    assert len(paginator._shuffles) <= 2
