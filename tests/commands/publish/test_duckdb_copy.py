"""The published copy: its contents, and how it replaces another file."""

import fcntl
import logging
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish import file as published_file
from argos_sync.commands.publish import rows as published_rows
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.tables import public_tables
from argos_sync.commands.sync import sync
from argos_sync.load.atomic_file import check_output_path, refuse_warehouse
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views
from published import DIRECT, columns, content, copy_of, recognisable, texts
from support import Warehouse, context_for, duckdb_warehouse
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a path for the copy with characters that must be quoted in SQL."""
    folder = tmp_path / 'analysts\' "own"'
    folder.mkdir()
    return folder / "it's; a copy.duckdb"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Return a DuckDB warehouse with three people, which no test changes."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("people"))
    load(warehouse)
    return warehouse


def load(warehouse: Warehouse, count: int = 3) -> None:
    """Sync submissions with marked values."""
    with Emulator([recognisable(number) for number in range(count)]) as api:
        sync(context_for(api.base_url, warehouse.target))


def change(warehouse: Warehouse, *statements: str) -> None:
    """Change the warehouse with SQL; `{name}` stands for the table of that name."""
    with open_warehouse(warehouse.target) as opened:
        client = opened.client
        names = {table: client.make_qualified_table_name(table) for table in load_contract().tables}
        for statement in statements:
            unknown = client.make_qualified_table_name("unknown_table")
            client.execute_sql(statement.format(unknown_table=unknown, **names))


def test_public_tables() -> None:
    """Exactly the columns with a class that may be published are copied."""
    for strict, classes in ((False, {"none", "quasi"}), (True, {"none"})):
        tables = {table.name: table for table in public_tables(strict=strict)}
        unpublished = {"quarantine", "sync_suppressions", "sync_erasures", "sync_reveals"}
        assert set(load_contract().tables) - set(tables) == unpublished
        for name, table in tables.items():
            assert set(table.key) <= set(table.columns_by_name)
            missing = {
                column.name
                for column in load_contract()[name].columns
                if column.privacy in classes and column.name not in table.columns_by_name
            }
            left_out = {"submissions": {"_content_hash"}, "sync_windows": {"page_key"}}
            assert missing == left_out.get(name, set())
            assert {column.privacy for column in table.columns} <= classes


@pytest.mark.slow
def test_a_warehouse_that_differs_from_the_contract(any_warehouse: Warehouse, file: Path) -> None:
    """Missing columns are null, hashed ones are texts, unknown ones are not copied."""
    load(any_warehouse)
    change(
        any_warehouse,
        "ALTER TABLE {applicants} DROP COLUMN gender CASCADE",
        "ALTER TABLE {applicants} ALTER COLUMN date_of_birth TYPE TEXT",
        "UPDATE {applicants} SET date_of_birth = 'h1:a hash'",
        "ALTER TABLE {submissions} ADD COLUMN shoe_size TEXT",
        f"UPDATE {{submissions}} SET shoe_size = '{DIRECT}size'",
        f"CREATE TABLE {{unknown_table}} AS SELECT '{DIRECT}unknown' AS hashed",
        "DROP TABLE {match_risk_icons} CASCADE",
    )
    result = publish(any_warehouse.target, file)
    copy = copy_of(file, any_warehouse.target.dataset)
    assert columns(copy) == {
        table.name: list(table.columns_by_name) for table in public_tables(strict=False)
    }
    query = "SELECT DISTINCT gender, date_of_birth FROM applicants"
    assert copy.query(query) == [{"gender": None, "date_of_birth": "h1:a hash"}]
    assert copy.query("SELECT * FROM match_risk_icons") == []
    assert (result.rows["match_risk_icons"], result.rows["matches"]) == (0, 3)
    assert DIRECT not in "".join(texts(copy))


@pytest.mark.slow
def test_batches(
    any_warehouse: Warehouse,
    file: Path,
    january: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every row is copied once with its values, whatever the size of a batch."""
    monkeypatch.setattr(published_rows, "BATCH_ROWS", 30)
    january = january[:70]
    with Emulator(january) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    publish(any_warehouse.target, file)
    copy = copy_of(file, any_warehouse.target.dataset)
    names = columns(copy)
    assert content(copy, names) == content(any_warehouse, names)
    assert copy.count("submissions") == len(january)


def test_comments_and_types(people: Warehouse, file: Path) -> None:
    """Types, nullability and comments are the contract's, and every view can be queried."""
    published_views = publish(people.target, file).views
    copy = copy_of(file)
    kinds = {
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "text": "VARCHAR",
        "double": "DOUBLE",
        "bool": "BOOLEAN",
    }
    described = copy.query("""
        SELECT table_name AS t, column_name AS c, data_type, is_nullable, comment
        FROM duckdb_columns() WHERE database_name = 'published' AND schema_name = 'argos'""")
    described_columns = {(row["t"], row["c"]): row for row in described}
    for table in public_tables(strict=False):
        for column in table.columns:
            row = described_columns[table.name, column.name]
            assert row["data_type"] == kinds.get(column.type, column.type.upper())
            assert row["comment"] == column.comment
            assert row["is_nullable"] == column.nullable
    comments = copy.query("SELECT comment FROM duckdb_tables() WHERE table_name = 'attempts'")
    assert comments == [
        {
            "comment": "Attempts of an applicant, in the API's order."
            " Key: submission_id, attempt_index."
        }
    ]
    described = copy.query("SELECT view_name AS v, comment FROM duckdb_views() WHERE NOT internal")
    views = {row["v"]: row["comment"] for row in described}
    assert views == {
        view.name: view.describe() for view in load_views() if view.name in published_views
    }
    for view in load_views():
        meanings = {
            name: row["comment"]
            for (relation, name), row in described_columns.items()
            if relation == view.name
        }
        assert bool(meanings) == (view.name in published_views)
        assert meanings.items() <= view.columns.items()


@pytest.mark.slow
def test_views(
    any_warehouse: Warehouse, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views lack columns that are left out; one without any, or over other tables, is missing."""
    views = {
        "contacts": "SELECT email FROM applicants",
        "cities": "SELECT submission_id, email, address_city AS city FROM applicants",
        "towns": "SELECT COUNT(city) AS n, MIN(city) AS first FROM cities WHERE email IS NULL",
        "countries": "SELECT nationality, COUNT(*) AS n FROM applicants GROUP BY nationality",
        "quarantined": "SELECT COUNT(*) AS n FROM quarantine",
        "more": "SELECT n + 1 AS n FROM quarantined",
        "results": "SELECT k.result FROM submissions JOIN kyc AS k USING (submission_id)",
    }
    folder = tmp_path / "views"
    folder.mkdir()
    for name, text in views.items():
        (folder / f"{name}.sql").write_text(text)
    monkeypatch.setattr(published_file, "load_views", lambda: load_views(folder))
    load(any_warehouse)
    usual = {"cities", "countries", "results", "towns"}
    assert set(publish(any_warehouse.target, file).views) == usual
    copy = copy_of(file, any_warehouse.target.dataset)
    assert copy.query("SELECT n FROM towns") == [{"n": 3}]
    assert {*copy.query("SELECT * FROM cities")[0]} == {"submission_id", "city"}
    assert {row["nationality"] is None for row in copy.query("SELECT * FROM countries")} == {False}
    publish(any_warehouse.target, file, strict=True)
    moved = file.rename(tmp_path / "argos.copy.duckdb")
    copy = copy_of(moved, any_warehouse.target.dataset)
    assert copy.query("SELECT * FROM countries") == [{"n": 3}]
    assert copy.query("SELECT * FROM towns") == [{"n": 0}]
    assert {*copy.query("SELECT * FROM cities")[0]} == {"submission_id"}
    assert copy.query("SELECT * FROM results") == [{"result": "rejected"}] * 3


@pytest.mark.slow
def test_an_empty_dataset_is_not_published(any_warehouse: Warehouse, file: Path) -> None:
    """A wrong name must not replace the analysts' file."""
    load(any_warehouse)
    publish(any_warehouse.target, file)
    before = file.read_bytes()
    change(any_warehouse, "DROP TABLE {submissions} CASCADE")
    with pytest.raises(DestinationError, match="there are no submissions in the dataset"):
        publish(any_warehouse.target, file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_a_lost_connection(
    any_warehouse: Warehouse, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the database is reported as such, and no file stays behind."""
    load(any_warehouse)
    table = f"{any_warehouse.target.dataset}.submissions"
    locks = f"SELECT DISTINCT pid FROM pg_locks WHERE relation = '{table}'::regclass"

    class Cut(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "submissions" in record.getMessage():
                ended = any_warehouse.query(f"SELECT pg_terminate_backend(pid) FROM ({locks}) l")
                assert ended == [{"pg_terminate_backend": True}]

    log, cut = logging.getLogger("argos_sync"), Cut()
    log.addHandler(cut)
    try:
        with (
            caplog.at_level(logging.INFO, "argos_sync"),
            pytest.raises(
                DestinationError, match=r"the connection.*SQLSTATE 57P01|failed or was lost"
            ),
        ):
            publish(any_warehouse.target, file)
    finally:
        log.removeHandler(cut)
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("limit", ["space", "folder"])
def test_a_copy_that_cannot_be_written(people: Warehouse, file: Path, limit: str) -> None:
    """Without space or permission the old file stays, and the error names the folder."""
    file.write_bytes(Path(str(people.target.file)).read_bytes())
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if limit == "space":
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(DestinationError, match="the file cannot be written") as caught:
            publish(people.target, file if limit == "space" else Path("/proc/copy.duckdb"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(file.parent if limit == "space" else "/proc") in str(caught.value)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_permissions_of_a_new_file(people: Warehouse, file: Path) -> None:
    """A new file has the given mode."""
    publish(people.target, file, mode=0o644)
    assert file.stat().st_mode & 0o7777 == 0o644


@pytest.mark.slow
def test_permissions_of_a_replaced_file(people: Warehouse, file: Path) -> None:
    """A replaced file keeps its mode and group."""
    publish(people.target, file)
    group = 4321 if os.geteuid() == 0 else max([*os.getgroups(), os.getegid()])
    for mode in (0o600, 0o640, 0o444):
        os.chown(file, -1, group)
        file.chmod(mode)
        publish(people.target, file)
        assert (file.stat().st_mode & 0o7777, file.stat().st_gid) == (mode, group)


def test_links_are_followed(people: Warehouse, file: Path) -> None:
    """The link stays, and the file it points to is replaced."""
    link = file.parent / "current.duckdb"
    link.symlink_to(file)
    for _ in range(2):
        assert publish(people.target, link).file == file
    assert link.is_symlink()
    assert copy_of(link).count("submissions") == 3


def test_the_write_ahead_log_of_the_old_file_is_removed(people: Warehouse, file: Path) -> None:
    """DuckDB cannot open the new file with the log of the old one."""
    publish(people.target, file)
    old = duckdb.connect(str(file))
    old.execute("CREATE TABLE mine AS SELECT 1 AS n")
    log = file.with_name(f"{file.name}.wal")
    assert log.exists()
    publish(people.target, file)
    assert not log.exists()
    old.close()
    assert copy_of(file).count("submissions") == 3


def test_abandoned_folders_are_removed(people: Warehouse, file: Path) -> None:
    """Only unlocked folders of the same user are removed."""
    folder = file.parent
    dead, empty, locked, foreign = (
        folder / f".argos-publish-{name}" for name in ("dead", "empty", "locked", "foreign")
    )
    for subfolder in (dead, empty, locked, foreign):
        subfolder.mkdir(0o700)
    (dead / "lock").touch()
    (dead / "new").write_bytes(b"half of it")
    (folder / ".argos-publish-file").touch()
    (folder / ".argos-publish-link").symlink_to(empty)
    (folder / ".argos-other").mkdir()
    if os.geteuid() == 0:
        os.chown(foreign, 4321, -1)
    with (locked / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        publish(people.target, file)
    remaining = {
        ".argos-publish-locked",
        ".argos-publish-file",
        ".argos-publish-link",
        ".argos-other",
    }
    remaining |= {foreign.name} if os.geteuid() == 0 else set()
    assert {path.name for path in folder.iterdir()} == {file.name, *remaining}


def refusal(tmp_path: Path, to: str) -> str:
    """Return the error for an output path in the folder of a warehouse."""
    warehouse = tmp_path / "kyc.duckdb"
    with pytest.raises(ConfigurationError) as caught:
        refuse_warehouse(check_output_path(tmp_path / to), warehouse)
    return str(caught.value)


@pytest.mark.parametrize(
    ("to", "make", "message"),
    [
        ("kyc.duckdb", None, "kyc.duckdb is the warehouse itself or its log; name another"),
        ("x", lambda x: x.symlink_to("kyc.duckdb"), "is the warehouse itself or its log"),
        ("x", lambda x: x.hardlink_to(x.with_name("kyc.duckdb")), "x is the warehouse itself"),
        ("kyc.duckdb.wal", None, "kyc.duckdb.wal is the warehouse itself or its log"),
        ("x", lambda x: x.symlink_to("kyc.duckdb.wal"), "is the warehouse itself or its log"),
        ("x", Path.mkdir, "x is a folder; name a file in it"),
        ("", None, "is a folder; name a file in it"),
        ("nowhere/x", None, "nowhere; create it, or name another file"),
        ("x", lambda x: x.write_text("no database but long enough"), "x is not a DuckDB file and"),
        ("x", Path.touch, "x is not a DuckDB file and stays as it is; name another file"),
        ("x", os.mkfifo, "x is not a DuckDB file and stays as it is; name another file"),
    ],
)
def test_refused_output_paths(
    tmp_path: Path, to: str, make: Callable[[Path], object] | None, message: str
) -> None:
    """The error names the path and the next step."""
    duckdb.connect(str(tmp_path / "kyc.duckdb")).close()
    if make:
        make(tmp_path / to)
    assert message in refusal(tmp_path, to)


def test_accepted_output_paths(tmp_path: Path) -> None:
    """An earlier copy can be replaced, also if the warehouse is a service."""
    copy, warehouse = tmp_path / "copy.duckdb", tmp_path / "kyc.duckdb"
    for file in (copy, warehouse):
        duckdb.connect(str(file)).close()
    for other in (warehouse, Path("md:argos")):
        refuse_warehouse(check_output_path(copy), other)
    assert check_output_path(tmp_path / "new.duckdb") == tmp_path / "new.duckdb"


@pytest.mark.parametrize("name", ["argos.duckdb", "Argos.DuckDB", "argos"])
def test_a_copy_named_like_the_dataset_is_refused(tmp_path: Path, name: str) -> None:
    """No DuckDB client could resolve `argos.submissions` in it; nothing is written."""
    warehouse = duckdb_warehouse(tmp_path)
    with pytest.raises(ConfigurationError, match="is named like its dataset"):
        publish(warehouse.target, tmp_path / name)
    assert not (tmp_path / name).exists()
