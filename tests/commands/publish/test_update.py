"""An earlier copy is updated: what that writes, and when all rows are copied instead."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.commands.forget import forget
from argos_sync.commands.publish import update
from argos_sync.commands.publish.duckdb_copy import PublishResult, publish
from argos_sync.commands.sync import sync
from argos_sync.load.destinations.duckdb import STORAGE_VERSION
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.target import Target
from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.contract import load_contract
from argos_sync.shape.pseudonyms import PSEUDONYMS, Pseudonymizer
from argos_sync.warehouse.views import load_views
from published import columns, content, copy_of, recognisable
from published_changes import change, rows_of
from support import NOW, Warehouse, at, context_for
from whole_lists import Emulator

FEWER = "it would not have as many rows as the warehouse"
GONE = "rows are gone from the warehouse"
MAKER = Pseudonymizer(Keyring.from_secret("a secret that is long enough"))


@pytest.fixture(scope="module")
def _published_once(_synced_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the warehouse."""
    folder = tmp_path_factory.mktemp("published")
    target = Target(file=str(_synced_file), pipelines_dir=str(folder / "pipelines"))
    return publish(target, folder / "copy.duckdb", clock=lambda: NOW).file


@pytest.fixture
def file(_published_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the warehouse, as the first publish writes it."""
    return Path(shutil.copy(_published_once, tmp_path / "it's a copy.duckdb"))


def write(warehouse: Warehouse, file: Path, days: float = 0, **options: Any) -> PublishResult:
    """Publish some days after the first time."""
    now = NOW + timedelta(days=days)
    return publish(warehouse.target, file, clock=lambda: now, **options)


def test_only_changes_are_written(synced_warehouse: Warehouse, file: Path) -> None:
    """Whoever made them; rows of other tables and other rows stay as they are."""
    change(synced_warehouse, "decided")
    change(synced_warehouse, "by hand")
    change(synced_warehouse, "new", 2)
    second = write(synced_warehouse, file, days=1)
    assert second.rewrite is None
    assert {name for name, count in second.written.items() if count > 5} == set()
    assert second.written.keys() >= {"submissions", "kyc", "attempts", "applicants"}
    assert "sync_runs" not in second.written
    assert set(second.views) == {view.name for view in load_views()}
    query = "SELECT published_at, whole_at, strict, key_fingerprint FROM publication"
    assert copy_of(file).query(query) == [
        {
            "published_at": NOW + timedelta(days=1),
            "whole_at": NOW,
            "strict": False,
            "key_fingerprint": None,
        }
    ]
    file.unlink()
    whole = write(synced_warehouse, file, days=1)
    assert (whole.rewrite, whole.written, whole.rows) == ("it is new", second.rows, second.rows)


def test_nothing_to_write(synced_warehouse: Warehouse, file: Path) -> None:
    """An update says that the copy is of today."""
    unchanged = write(synced_warehouse, file, days=2)
    assert (unchanged.rewrite, unchanged.written) == (None, {})
    published = copy_of(file).query("SELECT published_at FROM publication")
    assert published == [{"published_at": NOW + timedelta(days=2)}]


def test_what_is_erased_is_in_no_byte_of_the_file(synced_warehouse: Warehouse, file: Path) -> None:
    """DuckDB keeps deleted rows in free blocks, so all others are copied into a new file."""
    erased = synced_warehouse.query("SELECT MIN(submission_id) AS id FROM submissions")[0]["id"]
    assert erased.encode() in file.read_bytes()
    change(synced_warehouse, "erased", 0)
    assert write(synced_warehouse, file, days=1).rewrite == "rows are gone from the warehouse"
    assert erased.encode() not in file.read_bytes()


@pytest.mark.slow
def test_a_value_that_is_erased_is_in_no_byte_of_the_file(
    synced_warehouse: Warehouse, file: Path
) -> None:
    """A partial deletion at the source is an erasure."""
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        connection.execute("UPDATE argos.applicants SET address_city = 'Quite unusual'")
    assert write(synced_warehouse, file).rewrite is None
    assert b"Quite unusual" in file.read_bytes()
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        connection.execute("UPDATE argos.applicants SET address_city = NULL")
    assert write(synced_warehouse, file).rewrite == "submissions have lost personal values"
    assert b"Quite unusual" not in file.read_bytes()


def add_table(file: Path) -> None:
    """Write a table into a copy, as an analyst may."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE argos.mine AS SELECT 1 AS n")


def change_view(file: Path) -> None:
    """Change a view of a copy."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE OR REPLACE VIEW argos.staleness AS SELECT 1 AS n")


def drop_record(file: Path) -> None:
    """Make a copy look like one of a version that wrote no table `publication`."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("DROP TABLE argos.publication")


def truncate(file: Path) -> None:
    """Cut a copy off."""
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


def leave_log(file: Path) -> None:
    """Leave a copy as somebody does who is writing to it."""
    file.with_name(f"{file.name}.wal").touch()


OTHERS = "its tables, views or options are others"
CHANGED = "somebody has changed its tables or views"


@pytest.mark.parametrize(
    ("prepare", "options", "reason"),
    [
        (None, {"days": 7}, "it was last written as a whole a week ago"),
        (None, {"days": -1}, "it was last written as a whole a week ago"),
        (None, {"strict": True}, OTHERS),
        (None, {"zone": "Asia/Seoul"}, OTHERS),
        (None, {"pseudonymizer": MAKER}, OTHERS),
        (add_table, {}, CHANGED),
        (change_view, {}, CHANGED),
        (drop_record, {}, "another version wrote the last one"),
        (truncate, {}, "the last one cannot be read"),
        (leave_log, {}, "somebody is writing to the last one"),
    ],
)
def test_when_all_rows_are_copied(
    synced_warehouse: Warehouse,
    file: Path,
    prepare: Callable[[Path], None] | None,
    options: dict[str, Any],
    reason: str,
) -> None:
    """The copy is then as if there had been no earlier one."""
    if prepare:
        prepare(file)
    result = write(synced_warehouse, file, **options)
    assert (result.rewrite, result.written) == (reason, result.rows)
    record = copy_of(file).query("SELECT published_at - whole_at AS age FROM publication")
    assert record == [{"age": timedelta(0)}]
    assert [path.name for path in file.parent.glob("*copy*")] == [file.name]


def test_many_changes_are_no_update(
    synced_warehouse: Warehouse, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take longer."""
    monkeypatch.setattr(update, "_FEW_ROWS", 20)
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        for table in ("aml", "kyc", "applicants", "submission_status_history", "submissions"):
            column = {"aml": "current_status", "kyc": "result", "applicants": "id_type"}
            name = column.get(table, "reviewer")
            connection.execute(f"UPDATE argos.{table} SET {name} = 'another'")
    assert write(synced_warehouse, file).rewrite == "most of its rows have changed"


def test_a_row_that_is_there_twice(synced_warehouse: Warehouse, file: Path) -> None:
    """A copy has as many rows as the warehouse, even if that is damaged."""
    before = synced_warehouse.count("aml")
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        connection.execute("CREATE TABLE twice AS FROM argos.aml LIMIT 1")
        connection.execute("ALTER TABLE argos.aml RENAME TO keyed")
        connection.execute("CREATE TABLE argos.aml AS FROM argos.keyed UNION ALL FROM twice")
    result = write(synced_warehouse, file)
    assert result.rewrite == FEWER
    assert result.rows["aml"] == before + 1


@pytest.mark.slow
def test_pseudonyms_follow_their_identifiers(synced_warehouse: Warehouse, file: Path) -> None:
    """Also if nothing else of the row is different, once a run has changed the submission."""
    write(synced_warehouse, file, pseudonymizer=MAKER)
    with duckdb.connect(str(synced_warehouse.target.file)) as connection:
        connection.execute("USE argos")
        ((changed,),) = connection.execute(
            "UPDATE applicants SET email = 'new@example.org' WHERE submission_id ="
            " (SELECT MAX(submission_id) FROM applicants WHERE email IS NOT NULL)"
            " RETURNING submission_id"
        ).fetchall()
        connection.execute(
            "UPDATE submissions SET _changed_at = now() WHERE submission_id = ?", [changed]
        )
    result = write(synced_warehouse, file, pseudonymizer=MAKER)
    assert (result.rewrite, result.written) == (None, dict.fromkeys(PSEUDONYMS, 1))
    whole = file.with_name("whole.duckdb")
    write(synced_warehouse, whole, pseudonymizer=MAKER)
    assert rows_of(file) == rows_of(whole)
    pseudonym = MAKER.of_text("email", "new@example.org")
    found = copy_of(file).query(
        f"SELECT submission_id FROM applicants WHERE email_key = '{pseudonym}'"
    )
    assert found == [{"submission_id": changed}]


def test_an_update_keeps_the_format_of_the_file(synced_warehouse: Warehouse, file: Path) -> None:
    """Clients from DuckDB 1.4 on can read it."""
    change(synced_warehouse, "decided")
    assert write(synced_warehouse, file).rewrite is None
    with duckdb.connect() as connection:
        shutil.copy(file, file.with_name("other.duckdb"))
        connection.execute(f"ATTACH '{file.with_name('other.duckdb')}' AS other (READ_ONLY)")
        query = (
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'other'"
        )
        ((version,),) = connection.execute(query).fetchall()
    assert version.startswith(STORAGE_VERSION)


@pytest.mark.slow
@pytest.mark.tables_made
@pytest.mark.covered
def test_runs_between_publishes(any_warehouse: Warehouse, tmp_path: Path) -> None:
    """Wherever the warehouse is, a copy is updated with what runs have changed."""
    file, dataset = tmp_path / "copy.duckdb", any_warehouse.target.dataset
    first = [recognisable(number) for number in range(6)]
    fewer = recognisable(1)
    fewer["aml"]["matches"][0]["risk_icons"] = []
    other = recognisable(2) | {"email": "other@example.org", "userid": "other"}
    written = []
    for day, people in enumerate(
        (first, [*first, recognisable(6)], [first[0], fewer, other, *first[3:], recognisable(6)])
    ):
        with Emulator(people) as api:
            sync(at(context_for(api.base_url, any_warehouse.target), NOW + timedelta(days=day)))
        result = write(any_warehouse, file, days=day, pseudonymizer=MAKER)
        assert (result.rewrite is None) == (day > 0), result.rewrite
        written.append(result.written)
        copied = {table: [*names] for table, names in columns(copy_of(file, dataset)).items()}
        stored = {
            table: [name for name in names if not name.endswith("_key")]
            for table, names in copied.items()
        }
        assert content(copy_of(file, dataset), stored) == content(any_warehouse, stored)
    assert (written[1]["kyc"], written[2].get("kyc"), written[2]["applicants"] > 0) == (
        1,
        None,
        True,
    )
    query = "SELECT user_key FROM submissions WHERE submission_id = 'sub-2'"
    assert copy_of(file, dataset).query(query) == [{"user_key": MAKER.of_text("user", "other")}]
    change_any(any_warehouse, "DELETE FROM {match_risk_icons} WHERE submission_id = 'sub-3'")
    result = write(any_warehouse, file, days=3, pseudonymizer=MAKER)
    by_hand = None if any_warehouse.target.destination == "duckdb" else FEWER
    assert (result.rewrite, result.rows["match_risk_icons"]) == (by_hand, 5)
    with Emulator([]) as api:
        forget(context_for(api.base_url, any_warehouse.target), [("submission_id", "sub-4")])
    assert write(any_warehouse, file, days=3, pseudonymizer=MAKER).rewrite == GONE
    assert b"sub-4" not in file.read_bytes()


def change_any(warehouse: Warehouse, statement: str) -> None:
    """Change a warehouse with SQL; `{name}` stands for the table of that name."""
    with open_warehouse(warehouse.target) as opened:
        client = opened.client
        names = {table: client.make_qualified_table_name(table) for table in load_contract().tables}
        client.execute_sql(statement.format(**names))
