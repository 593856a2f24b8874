"""Deleted, restored and partly deleted submissions."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from argos_sync.emulator import Store, generate
from argos_sync.emulator.record import DELETED
from whole_lists import Behaviour, Emulator

Get = Callable[..., httpx.Response]


@pytest.fixture
def flagged(emulator: Emulator) -> dict[str, Any]:
    """Return a submission of the emulator with values in every section."""
    submission = next(
        one
        for one in emulator.store.all()
        if len(one["kyc"]["attempts"]) > 1 and one["kyc"]["result"] == "approved"
    )
    emulator.store.update(submission["submission_id"], {"aml": {"currentstatus": "Red Flag"}})
    return emulator.store.get(submission["submission_id"])


def test_a_stub_is_left(emulator: Emulator, get: Get, flagged: dict[str, Any]) -> None:
    """By default id, date, ID type and status stay; identity, images and AML are gone."""
    ids = emulator.store.ids()
    emulator.delete(flagged["submission_id"])
    stub = {
        "submission_id": flagged["submission_id"],
        "created_at": flagged["created_at"],
        "data": {"idType": flagged["data"]["idType"], "name": "Deleted Submission"},
        "kyc": {"result": "approved"},
    }
    assert get(submission_id=flagged["submission_id"]).json() == {"Items": [stub]}
    assert stub in get(count=200).json()["Items"]
    assert get(userid=flagged["userid"], email=flagged["email"]).json() == {"Items": []}
    assert emulator.store.ids() == ids
    emulator.restore(flagged["submission_id"])
    assert get(submission_id=flagged["submission_id"]).json() == {"Items": [flagged]}
    assert flagged in get(userid=flagged["userid"]).json()["Items"]


def test_a_submission_vanishes(emulator: Emulator, get: Get, flagged: dict[str, Any]) -> None:
    """With `vanish` nothing is left, and restoring brings back the whole submission."""
    emulator.behaviour = Behaviour(deleted="vanish")
    emulator.delete(flagged["submission_id"])
    assert get(submission_id=flagged["submission_id"]).json() == {"Items": []}
    assert len(emulator.store) == 199
    emulator.restore(flagged["submission_id"])
    assert get(submission_id=flagged["submission_id"]).json() == {"Items": [flagged]}


@pytest.mark.parametrize("field", ["email", "data.full_name", "kyc.result", "reviewer"])
def test_any_field_can_say_it(field: str) -> None:
    """The words can stand in any field, once."""
    store = Store(generate(1))
    (name,) = store.ids()
    store.leave_stub(name, field)
    assert str(store.get(name)).count(DELETED) == 1
    value: Any = store.get(name)
    for step in field.split("."):
        value = value[step]
    assert value == DELETED


def test_a_stub_can_vanish_and_change() -> None:
    """A stub that vanishes, is left again or is replaced keeps no other submission."""
    submission = generate(1)[0]
    name = submission["submission_id"]
    store = Store([submission])
    store.leave_stub(name)
    store.leave_stub(name, "email")
    store.delete(name)
    assert store.ids() == []
    store.restore(name)
    assert store.get(name) == submission
    store.leave_stub(name)
    store.replace(submission | {"userid": "new"})
    with pytest.raises(KeyError):
        store.restore(name)
    assert store.get(name)["userid"] == "new"


def test_stubs_of_broken_objects() -> None:
    """Any object can be deleted, and keeps its place."""
    items = generate(48, broken=True, messy=True, unencodable=True)
    store = Store(items)
    ids, before = store.ids(), store.all()
    version = store.version
    for name in ids:
        store.leave_stub(name)
    assert store.version == version + len(ids)
    assert [one["data"]["name"] for one in store.all()] == [DELETED] * 48
    for name in ids:
        store.restore(name)
    assert store.ids() == ids
    assert store.all() == before


def test_fields_are_removed() -> None:
    """Partial deletion erases single fields, also of list items, and updates the indexes."""
    submission = next(one for one in generate(50) if len(one["kyc"]["attempts"]) > 1)
    name = submission["submission_id"]
    store = Store([submission])
    paths = ("email", "data.name", "kyc.attempts.*.selfieImage", "no.such.*.field", "data.name.x")
    store.remove_fields(name, paths)
    changed = store.get(name)
    assert "email" not in changed
    assert "name" not in changed["data"]
    assert not any("selfieImage" in attempt for attempt in changed["kyc"]["attempts"])
    assert not store.find(email=submission["email"])
    assert [one.id for one in store.find(userid=submission["userid"])] == [name]
    del submission["email"], submission["data"]["name"]
    for attempt in submission["kyc"]["attempts"]:
        del attempt["selfieImage"]
    assert changed == submission


def test_a_sample_is_always_the_same() -> None:
    """About the share of the ids, and the same ones every time."""
    store = Store(generate(500))
    assert 25 < len(store.sample(0.1)) < 75
    assert store.sample(0.1) == store.sample(0.1)
    assert (
        set(store.sample(0.1)) < set(store.sample(0.2)) < set(store.sample(1)) == set(store.ids())
    )
    assert store.sample(0) == []
