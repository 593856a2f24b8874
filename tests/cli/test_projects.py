"""Several ARGOS projects: each has its own key, settings and dataset."""

from datetime import date

import pytest

from argos_sync.emulator import generate
from cli.command import Command
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.process

KEY = "key-of-another-project-that-nobody-may-see"


def test_each_project_has_its_own_dataset(configured: Command, api: Emulator) -> None:
    """A project has its own key and address; keys it lacks come from the outer section."""
    submissions = generate(30, seed=9, start=date(2025, 3, 1), end=date(2025, 3, 31))
    configured.private.add(KEY)
    with Emulator(submissions, behaviour=Behaviour(api_key=KEY)) as other:
        configured.settings |= {
            "SOURCES__ARGOS__JAPAN__API_KEY": KEY,
            "SOURCES__ARGOS__JAPAN__BASE_URL": other.base_url,
            "SOURCES__ARGOS__JAPAN__SWEEP_DAYS": "12",
        }
        configured("sync")
        configured("sync", "--project", "japan")
        assert configured.json("sync", "--project", "japan")["submissions_new"] == 0
    counts = [
        configured.rows("SELECT COUNT(*) FROM submissions", dataset=name)
        for name in ("argos", "argos_japan")
    ]
    assert counts == [[(len(api.store.all()),)], [(30,)]]
    status = configured.json("status", "--project", "japan")
    assert status["rows"]["submissions"] == 30
    assert status["staleness"]["bound_days"] == 12
    person = ("--submission-id", submissions[0]["submission_id"])
    configured("forget", "--project", "japan", *person, "--yes")
    assert configured.json("status", "--project", "japan")["rows"]["submissions"] == 29
    assert configured.json("status")["rows"]["submissions"] == len(api.store.all())


def test_dataset_overrides_the_default_of_a_project(configured: Command) -> None:
    """--dataset names the dataset of a project too."""
    configured.settings["SOURCES__ARGOS__JAPAN__API_KEY"] = configured.settings[
        "SOURCES__ARGOS__API_KEY"
    ]
    configured("sync", "--project", "japan", "--dataset", "kyc_japan")
    assert configured.rows("SELECT COUNT(*) FROM submissions", dataset="kyc_japan") == [(80,)]


def test_another_project_in_the_same_dataset(loaded: Command) -> None:
    """`sync` refuses it unless `--new-key` says otherwise; `status` shows whose key it is."""
    project = loaded.json("status")["project"]
    assert project["key_matches"] is True
    known = project["key_fingerprint"]
    loaded.private.add(KEY)
    with Emulator(generate(30, seed=9), behaviour=Behaviour(api_key=KEY)) as other:
        loaded.settings |= {
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": other.base_url,
        }
        message = loaded.error_line("sync", code=2)
        assert message.startswith("the API key is not of the project that the warehouse was")
        assert "FAIL project: the API key is not of the project" in loaded("doctor", code=2).stdout
        status = loaded("status").stdout
        assert f"\nproject: API key with fingerprint {known}; the configured one is" in status
        assert loaded.json("status")["project"] == {"key_fingerprint": known, "key_matches": False}
        loaded("sync", "--new-key")
        assert loaded.json("status")["project"]["key_matches"] is True


def test_status_does_not_compare_the_key_of_another_project(loaded: Command) -> None:
    """Only a key in the project's own section counts; without one there is nothing to compare."""
    project = loaded.json("status", "--project", "japan", "--dataset", "argos")["project"]
    assert project["key_matches"] is None
    assert (
        "no API key is configured"
        in loaded("status", "-v", "--project", "japan", "--dataset", "argos").stdout
    )


def test_the_key_of_another_project_is_not_used(configured: Command, api: Emulator) -> None:
    """It would load another project's people into this project's tables."""
    message = configured.error_line("sync", "--project", "japan", code=2)
    assert message.startswith(
        "no value for sources.argos.japan.api_key; set SOURCES__ARGOS__JAPAN__"
    )
    assert "japan" in configured("doctor", "--project", "japan", code=2).stdout
    assert api.request_count == 0
