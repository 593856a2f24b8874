"""`forget`, `reveal` and invalid privacy settings."""

from typing import Any

import pytest

from cli.command import Command
from whole_lists import Emulator

pytestmark = pytest.mark.process

SECRET = "privacy-key-that-nobody-may-see-0123"


def environment(**settings: str) -> dict[str, str]:
    """Return privacy settings as environment variables."""
    return {f"SOURCES__ARGOS__PRIVACY__{name.upper()}": text for name, text in settings.items()}


@pytest.fixture
def encrypting(configured: Command, submissions: list[dict[str, Any]]) -> Command:
    """Return the command with a warehouse whose direct columns are encrypted."""
    configured.settings |= environment(direct="encrypt", key=SECRET)
    configured.private.add(SECRET)
    configured("sync", "-v")
    return configured


def test_forget(loaded: Command, submissions: list[dict[str, Any]]) -> None:
    """Two people are erased by id and address, without an API key; only counts are printed."""
    first, second = submissions[3], submissions[9]
    loaded.private |= {first["submission_id"], second["submission_id"]}
    del loaded.settings["SOURCES__ARGOS__API_KEY"]
    people = ("--submission-id", first["submission_id"], "--email", second["email"])
    summary = loaded.json("forget", *people, "--yes")
    assert summary["erased"]["submissions"] == 2
    assert summary["erased"]["applicants"] == 2
    assert summary["listed"] == 3
    assert loaded.rows("SELECT COUNT(*) FROM submissions") == [(78,)]
    text = loaded("forget", "--userid", submissions[20]["userid"], "--yes").stdout
    assert text.startswith("submissions                          1\n")
    assert "the erasure is recorded in sync_erasures, run 20" in text
    assert loaded.error_line("forget", code=2) == (
        "nobody to forget; give --submission-id, --userid, --email or --from-file"
    )


def test_reveal(encrypting: Command, submissions: list[dict[str, Any]]) -> None:
    """Each value has a line, and each reveal is recorded."""
    submission = submissions[3]
    encrypting.private -= {submission["email"]}
    columns = ("--columns", "applicants.email")
    reveal = ("reveal", "--submission-id", submission["submission_id"], *columns)
    assert encrypting(*reveal).stdout == f"applicants.email: {submission['email']}\n"
    assert encrypting.json(*reveal)["values"] == [
        {"table": "applicants", "positions": [], "column": "email", "value": submission["email"]}
    ]
    assert encrypting.rows("SELECT COUNT(*) FROM sync_reveals") == [(2,)]
    encrypting.settings |= environment(key="another-key-of-some-length-0123")
    encrypting.private.add(submission["email"])
    message = encrypting.error_line(*reveal, code=2)
    assert "is encrypted with the key " in message
    assert message.endswith(
        "set sources.argos.privacy.key, or old_keys, to the key it was written with"
    )


def test_control_characters_do_not_reach_the_terminal(
    configured: Command, api: Emulator, submissions: list[dict[str, Any]]
) -> None:
    """Control characters and direction marks of a value are printed as escapes."""
    id_ = submissions[3]["submission_id"]
    api.store.update(id_, {"data": {"name": "Kim\x1b]0;owned\x07\u202e\nmiK"}})
    configured.settings |= environment(direct="encrypt", key=SECRET)
    configured("sync")
    text = configured("reveal", "--submission-id", id_, "--columns", "applicants.name").stdout
    assert text == "applicants.name: Kim\\x1b]0;owned\\x07\\u202e\\nmiK\n"


def test_a_warehouse_keeps_its_privacy_policy(encrypting: Command, api: Emulator) -> None:
    """Another mode or key is an error that says how to migrate; nothing is fetched or changed."""
    before = encrypting.rows("SELECT email FROM applicants ORDER BY ALL")
    requests = api.request_count
    for settings in ({"direct": "plain"}, {"key": "another-key-of-some-length-0123"}):
        encrypting.settings |= environment(direct="encrypt", key=SECRET) | environment(**settings)
        message = encrypting.error_line("sync", code=2)
        assert "was written with other privacy settings" in message
        assert "--as-in OLD --dataset NEW" in message
    assert api.request_count == requests
    assert message in encrypting("doctor", code=2).stdout
    assert encrypting.rows("SELECT email FROM applicants ORDER BY ALL") == before
