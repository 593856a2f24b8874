"""Reveal: what is encrypted opens with the key, for who is on record."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.forget import forget
from argos_sync.commands.reveal import reveal
from argos_sync.commands.sync import sync
from argos_sync.config import load_settings
from argos_sync.emulator import Emulator
from argos_sync.run.context import Context
from support import NOW, Rows, Warehouse, at, context_for

KEY, NEW = "a secret that is long enough", "another secret of some length"
PRIVACY = {"direct": "encrypt", "quasi": "hash", "key": KEY}


@pytest.fixture
def encrypted(any_warehouse: Warehouse, january: Rows) -> Context:
    """A warehouse with some people in it, their direct values encrypted."""
    with Emulator(january[:40]) as api:
        context = context_for(api.base_url, any_warehouse.target, privacy=PRIVACY)
        sync(context)
    return context


def with_keys(context: Context, **keys: str) -> Context:
    """Return the context of somebody with other keys, who cannot ask the API."""
    settings = load_settings({"privacy": PRIVACY | keys}, api=False)
    return replace(context, settings=settings)


def test_values_of_one_submission(
    encrypted: Context,
    any_warehouse: Warehouse,
    january: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All of them, as they came, also those of lists; the record says who, when, what."""
    monkeypatch.setenv("LOGNAME", "somebody-else")  # what anybody may say of themselves
    one = january[5]
    found = reveal(with_keys(at(encrypted, NOW + timedelta(days=1))), one["submission_id"])
    values = {(r.table, r.positions, r.column): r.value for r in found}
    assert values["applicants", (), "email"] == one["email"]
    assert values["applicants", (), "name"] == one["data"]["name"]
    images = [attempt["selfieImage"] for attempt in one["kyc"]["attempts"]]
    assert images
    assert [values["attempts", (i,), "selfie_image"] for i in range(len(images))] == images
    assert ("applicants", (), "nationality") not in values  # hashed
    (record,) = any_warehouse.query("SELECT * FROM sync_reveals")
    assert record["submission_id"] == one["submission_id"]
    assert record["revealed_at"] == NOW + timedelta(days=1)
    assert record["revealed_by"].startswith(f"{pwd.getpwuid(os.getuid()).pw_name}@")
    assert "applicants.email" in record["columns_shown"]
    assert one["email"] not in str(record)


def test_only_columns_that_are_asked_for(
    encrypted: Context, any_warehouse: Warehouse, january: Rows
) -> None:
    """What is not shown is not on record."""
    found = reveal(encrypted, january[5]["submission_id"], ["applicants.email"])
    assert [(r.column, r.value) for r in found] == [("email", january[5]["email"])]
    (record,) = any_warehouse.query("SELECT columns_shown FROM sync_reveals")
    assert record == {"columns_shown": "applicants.email"}


@pytest.mark.parametrize(
    ("submission_id", "columns", "keys", "said"),
    [
        ("nobody", [], {}, "no submission with that id"),
        (None, ["applicants.nationality"], {}, "not encrypted .* applicants.email"),
        (None, ["applicants.shoe_size"], {}, "not encrypted .* applicants.email"),
        (None, [], {"key": NEW}, "encrypted with the key .* set sources.argos.privacy.key"),
    ],
)
def test_refusals(
    encrypted: Context,
    any_warehouse: Warehouse,
    january: Rows,
    *,
    submission_id: str | None,
    columns: list[str],
    keys: dict[str, str],
    said: str,
) -> None:
    """Nothing is shown, and so nothing is on record."""
    with pytest.raises(ConfigurationError, match=said):
        reveal(with_keys(encrypted, **keys), submission_id or january[5]["submission_id"], columns)
    assert any_warehouse.count("sync_reveals") == 0


def test_after_the_key_was_changed_the_old_one_still_opens(
    encrypted: Context, january: Rows
) -> None:
    """The values tell which key they need."""
    changed = with_keys(encrypted, key=NEW, old_keys=KEY)
    found = reveal(changed, january[5]["submission_id"], ["applicants.email"])
    assert [one.value for one in found] == [january[5]["email"]]


def test_a_record_of_a_forgotten_person_does_not_name_them(
    encrypted: Context, any_warehouse: Warehouse, january: Rows
) -> None:
    """That somebody was shown something stays."""
    one = january[5]["submission_id"]
    reveal(encrypted, one)
    forget(encrypted, [("submission_id", one)])
    records: list[dict[str, Any]] = any_warehouse.query("SELECT * FROM sync_reveals")
    assert [record["submission_id"] for record in records] == [None]
