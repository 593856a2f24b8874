"""Several ARGOS projects: each has its key, its settings and a dataset of its own."""

from __future__ import annotations

from datetime import date

import pytest

from argos_sync.emulator import Behaviour, Emulator, generate
from cli.command import Command

KEY = "key-of-another-project-that-nobody-may-see"


def test_each_lands_in_a_dataset_of_its_own(configured: Command, api: Emulator) -> None:
    """With its own key, address and days; what it does not say is as for all."""
    theirs = generate(30, seed=9, start=date(2025, 3, 1), end=date(2025, 3, 31))
    configured.private.add(KEY)
    with Emulator(theirs, behaviour=Behaviour(api_key=KEY)) as other:
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
    told = configured.json("status", "--project", "japan")
    assert told["rows"]["submissions"] == 30
    assert told["staleness"]["bound_days"] == 12
    configured("forget", "--project", "japan", "--submission-id", theirs[0]["submission_id"])
    assert configured.json("status", "--project", "japan")["rows"]["submissions"] == 29
    assert configured.json("status")["rows"]["submissions"] == len(api.store.all())


def test_a_dataset_can_be_named(configured: Command) -> None:
    """As for any run."""
    configured.settings["SOURCES__ARGOS__JAPAN__API_KEY"] = configured.settings[
        "SOURCES__ARGOS__API_KEY"
    ]
    configured("sync", "--project", "japan", "--dataset", "kyc_japan")
    assert configured.rows("SELECT COUNT(*) FROM submissions", dataset="kyc_japan") == [(80,)]


def test_another_projects_key_is_not_used(configured: Command, api: Emulator) -> None:
    """It would bring another project's people into this one's tables."""
    said = configured.says("sync", "--project", "japan", code=2)
    assert said.startswith("no value for sources.argos.japan.api_key; set SOURCES__ARGOS__JAPAN__")
    assert "japan" in configured("doctor", "--project", "japan", code=2).stdout
    assert api.request_count == 0


@pytest.mark.parametrize("name", ["", "Japan", "../x", "2nd", "privacy", "orchestration"])
def test_a_name_that_cannot_be_a_section_is_refused(name: str, configured: Command) -> None:
    """Nor can that of a key, whose section would be taken for a project's."""
    said = configured.says("sync", "--project", name, code=2)
    assert said.startswith("the name of the project cannot be a section")
