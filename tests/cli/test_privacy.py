"""Forget and reveal as an operator uses them, and privacy settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from argos_sync.emulator import Emulator
from cli.command import Command

SECRET = "privacy-key-that-nobody-may-see-0123"


def environment(**settings: str) -> dict[str, str]:
    """Return privacy settings as environment variables."""
    return {f"SOURCES__ARGOS__PRIVACY__{name.upper()}": text for name, text in settings.items()}


@pytest.fixture
def encrypting(configured: Command, submissions: list[dict[str, Any]]) -> Command:
    """The command with a warehouse whose direct columns are encrypted."""
    configured.settings |= environment(direct="encrypt", key=SECRET)
    configured.private.add(SECRET)
    configured("sync", "-v")
    return configured


def test_forget(loaded: Command, submissions: list[dict[str, Any]]) -> None:
    """Two people by two names, without a key of the API; a table of counts, and no names."""
    first, second = submissions[3], submissions[9]
    loaded.private |= {first["submission_id"], second["submission_id"]}
    del loaded.settings["SOURCES__ARGOS__API_KEY"]
    summary = loaded.json(
        "forget", "--submission-id", first["submission_id"], "--email", second["email"]
    )
    assert summary["erased"]["submissions"] == 2
    assert summary["erased"]["applicants"] == 2
    assert summary["listed"] == 3
    assert loaded.rows("SELECT COUNT(*) FROM submissions") == [(78,)]
    said = loaded("forget", "--userid", submissions[20]["userid"]).stdout
    assert said.startswith("submissions                          1\n")
    assert "the proof is in sync_erasures, run 20" in said
    assert loaded.says("forget", code=2) == (
        "nobody to forget; give --submission-id, --userid or --email"
    )


def test_reveal(encrypting: Command, submissions: list[dict[str, Any]]) -> None:
    """One line a value; nothing of it stays in a log."""
    one = submissions[3]
    encrypting.private -= {one["email"]}
    wanted = ("reveal", "--submission-id", one["submission_id"], "--columns", "applicants.email")
    assert encrypting(*wanted).stdout == f"applicants.email: {one['email']}\n"
    assert encrypting.json(*wanted)["values"] == [
        {"table": "applicants", "positions": [], "column": "email", "value": one["email"]}
    ]
    assert encrypting.rows("SELECT COUNT(*) FROM sync_reveals") == [(2,)]
    encrypting.settings |= environment(key="another-key-of-some-length-0123")
    encrypting.private.add(one["email"])
    said = encrypting.says(*wanted, code=2)
    assert "is encrypted with the key " in said
    assert said.endswith(
        "set sources.argos.privacy.key, or old_keys, to the key it was written with"
    )


def test_what_an_applicant_typed_does_not_reach_the_terminal_as_a_command(
    configured: Command, api: Emulator, submissions: list[dict[str, Any]]
) -> None:
    """Control characters and marks that turn the direction are shown as their numbers."""
    one = submissions[3]["submission_id"]
    api.store.update(one, {"data": {"name": "Kim\x1b]0;owned\x07\u202e\nmiK"}})
    configured.settings |= environment(direct="encrypt", key=SECRET)
    configured("sync")
    said = configured("reveal", "--submission-id", one, "--columns", "applicants.name").stdout
    assert said == "applicants.name: Kim\\x1b]0;owned\\x07\\u202e\\nmiK\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"direct": "mask"},
            "sources.argos.privacy.direct has a value that is not valid; use plain, hash, encrypt",
        ),
        ({"quasi": "hash"}, "no value for sources.argos.privacy.key, which hash and encrypt need"),
        ({"direct": "hash", "key": "short"}, "privacy.key has "),
        (
            {"columns": '{"applicants.shoe": "drop"}'},
            "sources.argos.privacy.columns: applicants has no column shoe",
        ),
        ({"columns": '{"kyc.result": "drop"}'}, "kyc.result is not personal"),
        ({"columns": "applicants.email"}, "privacy.columns has a value that is not valid"),
    ],
)
def test_settings_that_cannot_be(
    configured: Command, api: Emulator, settings: dict[str, str], words: str
) -> None:
    """Said before anything is fetched or made."""
    configured.settings |= environment(**settings)
    said = configured.says("sync", code=2)
    assert words in said
    assert not (configured.folder / "kyc.duckdb").exists()
    assert api.request_count == 0


def test_a_warehouse_keeps_its_policy(encrypting: Command, api: Emulator) -> None:
    """Another mode or key is refused with the way to migrate, and nothing is fetched or changed."""
    before = encrypting.rows("SELECT email FROM applicants ORDER BY ALL")
    asked = api.request_count
    for settings in ({"direct": "plain"}, {"key": "another-key-of-some-length-0123"}):
        encrypting.settings |= environment(direct="encrypt", key=SECRET) | environment(**settings)
        said = encrypting.says("sync", code=2)
        assert "was written with other privacy settings" in said
        assert "--as-in OLD --dataset NEW" in said
    assert api.request_count == asked
    assert said in encrypting("doctor", code=2).stdout
    assert encrypting.rows("SELECT email FROM applicants ORDER BY ALL") == before
