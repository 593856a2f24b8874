"""Reveal: encrypted values are decrypted with the key, and every access is recorded."""

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
from argos_sync.run.context import Context
from support import NOW, Rows, Warehouse, at, context_for
from whole_lists import Emulator

KEY, NEW = "a secret that is long enough", "another secret of some length"
PRIVACY = {"direct": "encrypt", "quasi": "hash", "key": KEY}


@pytest.fixture
def encrypted(any_warehouse: Warehouse, january: Rows) -> Context:
    """Return the context of a warehouse with encrypted direct identifiers."""
    with Emulator(january[:10]) as api:
        context = context_for(api.base_url, any_warehouse.target, privacy=PRIVACY)
        sync(context)
    return context


def with_keys(context: Context, **keys: str) -> Context:
    """Return the context with other keys and without an API key."""
    settings = load_settings({"privacy": PRIVACY | keys}, api=False)
    return replace(context, settings=settings)


def test_values_of_one_submission(
    encrypted: Context,
    any_warehouse: Warehouse,
    january: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All encrypted values are returned; the record has user, time and columns."""
    monkeypatch.setenv("LOGNAME", "somebody-else")  # anybody can set it
    submission = next(one for one in january if one["kyc"]["result"] == "approved")
    later = at(encrypted, NOW + timedelta(days=1))
    revealed = reveal(with_keys(later), submission["submission_id"])
    values = {(r.table, r.positions, r.column): r.value for r in revealed}
    assert values["applicants", (), "email"] == submission["email"]
    assert values["applicants", (), "name"] == submission["data"]["name"]
    images = [attempt["selfieImage"] for attempt in submission["kyc"]["attempts"]]
    assert images
    assert [values["attempts", (i,), "selfie_image"] for i in range(len(images))] == images
    assert ("applicants", (), "nationality") not in values  # hashed
    (record,) = any_warehouse.query("SELECT * FROM sync_reveals")
    assert record["submission_id"] == submission["submission_id"]
    assert record["revealed_at"] == NOW + timedelta(days=1)
    assert record["revealed_by"].startswith(f"{pwd.getpwuid(os.getuid()).pw_name}@")
    assert "applicants.email" in record["columns_shown"]
    assert submission["email"] not in str(record)


@pytest.mark.slow
def test_selected_columns(encrypted: Context, any_warehouse: Warehouse, january: Rows) -> None:
    """Only the selected columns are returned and recorded."""
    revealed = reveal(encrypted, january[5]["submission_id"], ["applicants.email"])
    assert [(r.column, r.value) for r in revealed] == [("email", january[5]["email"])]
    (record,) = any_warehouse.query("SELECT columns_shown FROM sync_reveals")
    assert record == {"columns_shown": "applicants.email"}


REFUSALS: list[tuple[str | None, list[str], dict[str, str], str]] = [
    ("unknown", [], {}, "no submission with that id"),
    (None, ["applicants.nationality"], {}, "not encrypted .* applicants.email"),
    (None, ["applicants.shoe_size"], {}, "not encrypted .* applicants.email"),
    (None, [], {"key": NEW}, "encrypted with the key .* set sources.argos.privacy.key"),
]
"""A submission or None, columns, keys, and the message about them."""


@pytest.mark.slow
def test_refusals(encrypted: Context, any_warehouse: Warehouse, january: Rows) -> None:
    """Nothing is returned, and nothing is recorded."""
    for submission_id, columns, keys, message in REFUSALS:
        known = submission_id or january[5]["submission_id"]
        with pytest.raises(ConfigurationError, match=message):
            reveal(with_keys(encrypted, **keys), known, columns)
    assert any_warehouse.count("sync_reveals") == 0


@pytest.mark.slow
def test_old_keys(encrypted: Context, january: Rows) -> None:
    """Each value says which key encrypted it, so old keys still work."""
    changed = with_keys(encrypted, key=NEW, old_keys=KEY)
    revealed = reveal(changed, january[5]["submission_id"], ["applicants.email"])
    assert [value.value for value in revealed] == [january[5]["email"]]


@pytest.mark.slow
def test_the_record_of_a_forgotten_person(
    encrypted: Context, any_warehouse: Warehouse, january: Rows
) -> None:
    """The record stays, without the submission id."""
    submission_id = january[5]["submission_id"]
    reveal(encrypted, submission_id)
    forget(encrypted, [("submission_id", submission_id)])
    records: list[dict[str, Any]] = any_warehouse.query("SELECT * FROM sync_reveals")
    assert [record["submission_id"] for record in records] == [None]
