"""The suppression list as a file: no personal values, complete, and useless without its key."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.backfill import backfill
from argos_sync.commands.forget import forget, listed_people
from argos_sync.commands.suppressions import export_suppressions, import_suppressions
from argos_sync.run.context import Context
from support import LATER, Rows, Warehouse, at, context_for, created_at, duckdb_warehouse
from whole_lists import Emulator

KEY = "a secret that is long enough"
PERSON = "person@example.org"


@pytest.fixture
def backup(synced_warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """Return a copy of the warehouse from before anybody was forgotten."""
    (tmp_path / "backup").mkdir()
    restored = duckdb_warehouse(tmp_path / "backup")
    shutil.copy(str(synced_warehouse.target.file), str(restored.target.file))
    return restored


def context_of(warehouse: Warehouse, **settings: Any) -> Context:
    """Return a context that does not use the API."""
    return at(context_for("http://127.0.0.1:1", warehouse.target, **settings), LATER)


@pytest.mark.slow
@pytest.mark.covered
def test_a_restored_backup_keeps_a_person_out(
    synced_warehouse: Warehouse, backup: Warehouse, synced_submissions: Rows, tmp_path: Path
) -> None:
    """The list needs the warehouse's own key, which is in a file of its own."""
    file, key_file = tmp_path / "list.json", tmp_path / "key.json"
    forget(context_of(synced_warehouse), [("email", PERSON)])
    exported = export_suppressions(context_of(synced_warehouse), file, key_file)
    assert (exported.entries, exported.keys_from_privacy_key) == (2, ())
    (secret,) = json.loads(key_file.read_text())["keys"].values()
    listed = file.read_text()
    person = synced_submissions[1]
    for private in (PERSON, person["submission_id"], person["userid"], secret):
        assert private not in listed
    assert {path.stat().st_mode & 0o777 for path in (file, key_file)} == {0o600}
    with pytest.raises(ConfigurationError, match=f"the key {exported.own_keys[0]}, which this"):
        import_suppressions(context_of(backup), file)
    assert backup.count("sync_suppressions") == 0
    imported = import_suppressions(context_of(backup), file, key_file)
    assert (imported.added, imported.present) == (2, 0)
    again = import_suppressions(context_of(backup), file)  # it has the key now
    assert (again.added, again.present) == (0, 2)
    columns = "suppression_id, kind, key_id, added_at"
    entries = [
        one.query(f"SELECT {columns} FROM sync_suppressions ORDER BY ALL")
        for one in (synced_warehouse, backup)
    ]
    assert entries[0] == entries[1]
    people = listed_people(context_of(backup))
    assert people == [("submission_id", person["submission_id"])]
    assert forget(context_of(backup), people).erased["match_risk_icons"] == 1
    assert backup.count("submissions") == len(synced_submissions) - 1
    assert listed_people(context_of(backup)) == []
    day = created_at(person).date()
    with Emulator(synced_submissions) as api:
        context = context_for(api.base_url, backup.target)
        backfill(at(context, LATER + timedelta(days=1)), day, day, force=True)
    assert backup.count("submissions") == len(synced_submissions) - 1


@pytest.mark.slow
@pytest.mark.covered
def test_a_list_made_with_a_privacy_key(synced_warehouse: Warehouse, tmp_path: Path) -> None:
    """It needs no key file where that key is configured, also as a former one."""
    file, key_file = tmp_path / "list.json", tmp_path / "key.json"
    context = context_of(synced_warehouse, privacy={"key": KEY})
    forget(context, [("userid", "u-1")])
    exported = export_suppressions(context, file, key_file)
    assert (len(exported.keys_from_privacy_key), exported.own_keys) == (1, ())
    assert json.loads(key_file.read_text())["keys"] == {}
    other = context_of(synced_warehouse, privacy={"key": "another of some length", "old_keys": KEY})
    other = replace(other, target=replace(other.target, dataset="other"))
    assert import_suppressions(other, file).added == 2


@pytest.fixture
def exported(synced_warehouse: Warehouse, tmp_path: Path) -> tuple[Path, Path]:
    """Return the files of a list with two entries, and of its key."""
    files = tmp_path / "list.json", tmp_path / "key.json"
    forget(context_of(synced_warehouse), [("userid", "u-1")])
    export_suppressions(context_of(synced_warehouse), *files)
    return files


@pytest.mark.slow
@pytest.mark.covered
def test_a_list_that_was_changed(backup: Warehouse, exported: tuple[Path, Path]) -> None:
    """Without an entry somebody would come back, so the tag covers all of them."""
    document = json.loads(exported[0].read_text())
    (one,) = document["keys"].values()
    whole = one["entries"]
    changes = [whole[:1], [*whole, whole[0]], [[whole[0][0], "kind", whole[0][2]], whole[1]]]
    for entries in changes:
        one["entries"] = entries
        exported[0].write_text(json.dumps(document))
        with pytest.raises(ConfigurationError, match=r"is not what was exported|not a suppression"):
            import_suppressions(context_of(backup), *exported)
    assert backup.count("sync_suppressions") == 0


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"argos_sync_suppression_list":2,"keys":{}}', "email: kim@example.com"],
)
def test_a_file_that_is_no_list(text: str, backup: Warehouse, tmp_path: Path) -> None:
    """It is neither imported nor overwritten, and not repeated."""
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="file is not a suppression list"):
        import_suppressions(context_of(backup), file)
    if not text.startswith('{"argos_sync'):
        with pytest.raises(ConfigurationError, match="is not a suppression list and stays"):
            export_suppressions(context_of(backup), file)
    assert file.read_text() == text
