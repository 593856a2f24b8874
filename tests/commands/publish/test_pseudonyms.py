"""Pseudonyms in published copies: they join, and show nothing of what they stand for."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.change_log import publish_changes
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.pseudonyms import PSEUDONYMS, Pseudonymizer
from cli.command import run_in_process
from log_reader import files_with
from published import DIRECT, QUASI, copy_of, folder_bytes, recognisable
from support import Rows, Warehouse, context_for
from whole_lists import Emulator

SECRET = "a secret that is long enough"
MAKER = Pseudonymizer(Keyring.from_secret(SECRET))
PEOPLE = 3


def load(warehouse: Warehouse, **settings: Any) -> None:
    """Sync people with marked values, of whom the last one has the addresses of the first."""
    people = [recognisable(number) for number in range(PEOPLE)]
    people[-1]["email"] = f" {people[0]['email'].upper()}"
    people[-1]["data"]["ip_address"] = people[0]["data"]["ip_address"]
    with Emulator(people) as api:
        sync(context_for(api.base_url, warehouse.target, **settings))


def expected(table: str) -> Rows:
    """Return the pseudonyms that a table must have, in the order of the submissions."""
    rows = []
    for number in range(PEOPLE):
        row = {}
        for one in PSEUDONYMS[table]:
            same = 0 if number == PEOPLE - 1 and one.name in ("email_key", "ip_key") else number
            prefix = QUASI if one.source == "applicant_id" else DIRECT
            row[one.name] = MAKER.of_text(one.kind, f"{prefix}{one.source}-{same}")
        rows.append(row)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["plain", "hash", "encrypt"])
def test_pseudonyms_of_a_copy(any_warehouse: Warehouse, tmp_path: Path, mode: str) -> None:
    """They are the same wherever the warehouse is, and in whatever mode it stores identifiers."""
    load(any_warehouse, privacy={"direct": mode, "quasi": mode, "key": SECRET})
    folder = tmp_path / "copies"
    folder.mkdir()
    for strict in (False, True):
        file = folder / f"copy{strict}.duckdb"
        publish(any_warehouse.target, file, strict=strict, pseudonymizer=MAKER)
        copy = copy_of(file, any_warehouse.target.dataset)
        for table, columns in PSEUDONYMS.items():
            names = ", ".join(one.name for one in columns)
            rows = copy.query(f"SELECT {names} FROM {table} ORDER BY submission_id")
            wanted = expected(table)
            if mode == "hash" and table == "applicants":
                # Of a hash nobody sees that the addresses differ only in their spelling.
                assert rows[-1].pop("email_key") not in {row["email_key"] for row in rows[:-1]}
                wanted[-1].pop("email_key")
            assert rows == wanted, table
    assert DIRECT.encode() not in folder_bytes(folder).lower()


@pytest.mark.slow
@pytest.mark.tables_made
def test_pseudonyms_of_a_change_log(warehouse: Warehouse, tmp_path: Path) -> None:
    """They are the same as in a copy; without the option, later, they vanish from all files."""
    load(warehouse)
    log, file = tmp_path / "log", tmp_path / "copy.duckdb"
    publish(warehouse.target, file, pseudonymizer=MAKER)
    publish_changes(warehouse.target, str(log), pseudonymizer=MAKER)
    names = [one.name for one in PSEUDONYMS["applicants"]]
    logged = DeltaTable(log / "applicants").to_pyarrow_table().sort_by("submission_id")
    copied = copy_of(file).query("SELECT * FROM applicants ORDER BY submission_id")
    assert logged.select(names).to_pylist() == [
        {name: row[name] for name in names} for row in copied
    ]
    assert logged.select(names).to_pylist() == expected("applicants")
    key_id = MAKER.keyring.key_id
    assert files_with(log, f"p1.{key_id}")
    assert publish_changes(warehouse.target, str(log)).rewrite == "its columns are others"
    assert files_with(log, f"p1.{key_id}") == []


@pytest.mark.slow
def test_the_key_must_be_that_of_the_warehouse(warehouse: Warehouse, tmp_path: Path) -> None:
    """Hashed values do not tell what they stand for; no file is written."""
    load(warehouse, privacy={"direct": "hash", "key": SECRET})
    other = Pseudonymizer(Keyring.from_secret("another secret, long enough"))
    with pytest.raises(
        ConfigurationError, match=r"submissions\.userid is hashed with the key uaKB"
    ):
        publish(warehouse.target, tmp_path / "copy.duckdb", pseudonymizer=other)
    assert not (tmp_path / "copy.duckdb").exists()


def test_the_command(
    synced_warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a key, exit code 2 says what to set; with one, the copy has pseudonyms."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    file = synced_warehouse.target.file
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{file}")
    command = ("publish", "--to", "copy.duckdb", "--pseudonyms", "--json")
    assert run_in_process(*command) == 2
    error = capsys.readouterr().err
    assert "sources.argos.privacy.key, which --pseudonyms needs" in error
    assert not (tmp_path / "copy.duckdb").exists()
    monkeypatch.setenv("SOURCES__ARGOS__PRIVACY__KEY", SECRET)
    assert run_in_process(*command) == 0
    assert '"pseudonyms": true' in capsys.readouterr().out
    query = "SELECT COUNT(DISTINCT email_key) > 1 AS several FROM submissions_wide"
    assert copy_of(tmp_path / "copy.duckdb").query(query) == [{"several": True}]
    views = ("publish", "--to", "log", "--format", "delta", "--views", "duckdb", "--pseudonyms")
    assert run_in_process(*views) == 0
    assert "email_key" in capsys.readouterr().out
