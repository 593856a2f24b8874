"""The change log: what other engines read, what a publish appends, and what it removes."""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from deltalake import DeltaTable, write_deltalake

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.forget import forget
from argos_sync.commands.publish.change_diff import Difference
from argos_sync.commands.publish.change_log import ChangeLogResult, _routine_reason, publish_changes
from argos_sync.commands.publish.change_log_views import ENGINES, current_views
from argos_sync.commands.sync import sync
from argos_sync.load.atomic_file import folder_mode
from argos_sync.load.delta_log import LOAD, DeltaLog
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.shape.contract import load_contract
from log_reader import any_in, current_rows, files_with, loads, parquet_files, published_rows
from published import DIRECT, QUASI, VISIBLE, recognisable
from support import NOW, Warehouse, at, context_for, duckdb_warehouse
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def _people_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DuckDB file with three people whose values are marked."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("people"))
    with Emulator([recognisable(number) for number in range(3)]) as api:
        sync(context_for(api.base_url, warehouse.target))
    return Path(str(warehouse.target.file))


@pytest.fixture
def people(_people_file: Path, tmp_path: Path) -> Warehouse:
    """Return a warehouse with three people whose values are marked."""
    shutil.copy(_people_file, tmp_path / "kyc.duckdb")
    return duckdb_warehouse(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a change log, which does not exist yet."""
    return tmp_path / "it's a log"


def write(warehouse: Warehouse, folder: Path, days: int = 0, **options: Any) -> ChangeLogResult:
    """Publish some days after the first run."""
    now = NOW + days * DAY
    return publish_changes(warehouse.target, str(folder), clock=lambda: now, **options)


def change(people: Warehouse, *statements: str) -> None:
    """Change a DuckDB warehouse with SQL."""
    with duckdb.connect(str(people.target.file)) as connection:
        connection.execute("USE argos")
        for statement in statements:
            connection.execute(statement)


def change_any(warehouse: Warehouse, *statements: str) -> None:
    """Change a warehouse with SQL; `{name}` stands for the table of that name."""
    with open_warehouse(warehouse.target) as opened:
        client = opened.client
        names = {table: client.make_qualified_table_name(table) for table in load_contract().tables}
        for statement in statements:
            client.execute_sql(statement.format(**names))


@pytest.mark.slow
@pytest.mark.covered
def test_views_show_what_is_current(any_warehouse: Warehouse, folder: Path, tmp_path: Path) -> None:
    """They equal the published copy after rows are added, changed, removed and marked."""
    with Emulator([recognisable(number) for number in range(4)]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    first = write(any_warehouse, folder)
    dataset = any_warehouse.target.dataset
    assert first.submissions == {"new": 4, "changed": 0, "gone": 0}
    assert first.rewrite == "it is new"
    fewer = recognisable(0)
    fewer["aml"]["matches"][0]["risk_icons"] = []
    with Emulator([fewer, *map(recognisable, range(2, 6))]) as api:
        sync(at(context_for(api.base_url, any_warehouse.target), NOW + DAY))
    change_any(
        any_warehouse,
        "UPDATE {submissions} SET _deleted_at = _synced_at WHERE submission_id = 'sub-2'",
        "UPDATE {applicants} SET nationality = 'XXX' WHERE submission_id = 'sub-3'",
    )
    second = write(any_warehouse, folder, days=1)
    expected = published_rows(any_warehouse, tmp_path / "copy.duckdb")
    assert current_rows(str(folder), dataset=dataset) == expected
    icons = ["sub-1", "sub-3", "sub-4", "sub-5"]
    assert [row["submission_id"] for row in expected["match_risk_icons"]] == icons
    assert (second.rewrite, second.submissions) == (None, {"new": 2, "changed": 3, "gone": 0})
    assert (second.rows["applicants"], second.rows["match_risk_icons"]) == (5, 4)
    assert second.rows["sync_runs"] == 1


@pytest.mark.slow
@pytest.mark.covered
def test_an_interrupted_publish_stays_invisible(people: Warehouse, folder: Path) -> None:
    """The next one removes its rows, even without news: what was only fetched has not changed."""
    first = write(people, folder)
    before, files = current_rows(str(folder)), parquet_files(folder)
    abandon(folder, "sub-1")
    assert current_rows(str(folder)) == before
    assert len(parquet_files(folder)) == len(files) + 4
    change(people, "UPDATE submissions SET _synced_at = _synced_at + INTERVAL 1 DAY")
    second = write(people, folder, days=1)
    assert (second.rewrite, sum(second.rows.values()), second.files_deleted) == (None, 0, 4)
    assert (current_rows(str(folder)), parquet_files(folder)) == (before, files)
    visible = [(load[LOAD], load["rewritten"], load["submissions"]) for load in loads(str(folder))]
    assert visible == [(first.load, True, 3), (second.load, False, 0)]


@pytest.mark.slow
@pytest.mark.covered
def test_no_direct_column_and_no_content_hash_is_published(people: Warehouse, folder: Path) -> None:
    """With --strict, what an earlier publish had of class quasi is removed, too."""
    ((content_hash,), *_) = [
        tuple(row.values()) for row in people.query("SELECT _content_hash FROM submissions")
    ]
    write(people, folder)
    unpublished = {DIRECT: 0, content_hash: 0}
    assert any_in(folder, unpublished) == unpublished
    assert files_with(folder, QUASI) != []
    strict = write(people, folder, days=1, strict=True)
    assert strict.rewrite == "its columns are others"
    assert any_in(folder, [DIRECT, QUASI]) == {DIRECT: 0, QUASI: 0}
    assert files_with(folder, VISIBLE) != []
    assert {row["nationality"] for row in current_rows(str(folder))["applicants"]} == {None}


def erase(people: Warehouse) -> None:
    """Erase the submission sub-1."""
    with Emulator([]) as api:
        forget(context_for(api.base_url, people.target), [("submission_id", "sub-1")])


def lose_a_value(people: Warehouse) -> None:
    """Remove one personal value of the submission sub-1, and add another one."""
    where = "WHERE submission_id = 'sub-1'"
    change(people, f"UPDATE applicants SET address_city = NULL, version = 'two' {where}")


@pytest.mark.parametrize(
    ("remove", "text", "reason"),
    [
        (erase, "sub-1", "rows are gone from the warehouse"),
        (lose_a_value, f"{QUASI}address_city-1", "submissions have lost personal values"),
    ],
)
@pytest.mark.slow
@pytest.mark.covered
def test_what_is_erased_vanishes_from_all_files(
    people: Warehouse,
    folder: Path,
    remove: Callable[[Warehouse], None],
    text: str,
    reason: str,
) -> None:
    """Also from old versions, from the logs of tables, and from what a killed publish left."""
    write(people, folder)
    abandon(folder, text)
    assert len(files_with(folder, text)) >= 4
    remove(people)
    result = write(people, folder, days=1)
    assert (result.rewrite, files_with(folder, text)) == (reason, [])
    assert files_with(folder, "sub-2") != []
    assert len(loads(str(folder))) == 1


def abandon(folder: Path, text: str) -> None:
    """Leave what a publish leaves that is killed: a commit to a table, and a file without one."""
    delta = DeltaLog(str(folder))
    delta.begin()
    columns = {"submissions": "submission_id", "kyc": "submission_id", "applicants": "address_city"}
    for name, column in columns.items():
        row = {column: [text], LOAD: [delta.number]}
        delta.append(name, pa.table(row).to_reader())
    (file,) = (folder / "kyc" / f"{LOAD}={delta.number}").iterdir()
    shutil.copy(file, file.with_name("part-never-committed.parquet"))


@pytest.mark.slow
@pytest.mark.covered
def test_of_two_publishes_at_once_one_wins(people: Warehouse, folder: Path) -> None:
    """The one that began first stops, and leaves neither a visible row nor a file."""
    write(people, folder)
    change(people, "UPDATE submissions SET reviewer = 'robot'")
    second: list[ChangeLogResult] = []

    def clock() -> datetime:
        # The first one has compared the rows, and has not appended any.
        if not second:
            second.append(write(people, folder, days=1))
        return NOW + DAY

    with pytest.raises(DestinationError, match=r"another publish to .* has begun meanwhile"):
        publish_changes(people.target, str(folder), clock=clock)
    assert [load[LOAD] for load in loads(str(folder))][1:] == [second[0].load]
    rows = current_rows(str(folder))
    assert [row["reviewer"] for row in rows["submissions"]] == ["robot"] * 3
    numbers = {path.parent.name for path in parquet_files(folder)}
    assert numbers == {f"{LOAD}={load[LOAD]}" for load in loads(str(folder))}


def test_a_publish_that_was_killed_as_it_began(folder: Path) -> None:
    """The next one begins in the folder that it left."""
    (folder / "_loads" / "_delta_log").mkdir(parents=True)
    delta = DeltaLog(str(folder))
    assert (delta.begin().num_rows, delta.number) == (0, 1)


def test_two_publishes_may_not_begin_at_once(folder: Path) -> None:
    """Each has a number of its own, or does not begin."""
    logs = [DeltaLog(str(folder)) for _ in range(4)]
    failures: list[str] = []

    def begin(log: DeltaLog) -> None:
        try:
            log.begin()
        except DestinationError as error:
            failures.append(error.message)

    threads = [threading.Thread(target=begin, args=[log]) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [log.number for log in logs if log.number]
    assert len(numbers) == len(set(numbers)) == len(logs) - len(failures) > 0


@pytest.mark.slow
@pytest.mark.covered
def test_old_versions_are_removed_after_a_week(people: Warehouse, folder: Path) -> None:
    """Files that a query may still read are deleted by the publish after that."""
    write(people, folder)
    before = parquet_files(folder)
    weekly = write(people, folder, days=7)
    assert weekly.rewrite == "its oldest load is a week old"
    assert set(before) < set(parquet_files(folder))
    assert [load[LOAD] for load in loads(str(folder))] == [weekly.load]
    next_one = write(people, folder, days=8)
    assert (next_one.rewrite, set(before) & set(parquet_files(folder))) == (None, set())
    assert {path.parent.name for path in parquet_files(folder)} == {f"{LOAD}={weekly.load}"}


@pytest.mark.parametrize("kind", ["files", "table"])
def test_a_folder_with_something_else_is_refused(
    people: Warehouse, folder: Path, kind: str
) -> None:
    """It stays as it is."""
    folder.mkdir()
    if kind == "files":
        (folder / "notes.txt").write_text("mine")
    else:
        write_deltalake(folder / "_loads", pa.table({"mine": [1]}))
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigurationError, match="neither empty nor a change log"):
        write(people, folder)
    assert sorted(folder.rglob("*")) == before


@pytest.fixture
def umask() -> Iterator[int]:
    """Return the umask of the commands, which this process has meanwhile."""
    before = os.umask(0o077)
    yield 0o077
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_modes(people: Warehouse, folder: Path, umask: int, mode: int) -> None:
    """Whoever may read the files of a local folder may list it, and nothing else has changed."""
    write(people, folder, mode=mode)
    assert os.umask(umask) == umask
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {False: mode, True: folder_mode(mode)}
    assert stat.S_IMODE(folder.stat().st_mode) == folder_mode(mode)


class PanicException(BaseException):
    """What a panic of Rust code is in Python."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PanicException(), DestinationError),
        (OSError(), DestinationError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_errors_of_the_storage(
    folder: Path, umask: int, error: BaseException, expected: type[BaseException]
) -> None:
    """They are ours, a panic included; the umask is what it was."""
    with pytest.raises(expected), DeltaLog(str(folder), 0o644)._errors():
        raise error
    assert os.umask(umask) == umask


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/log", "cannot be at a URL that begins with ftp://"),
        ("s3://key:secret@bucket/log", "contains a user, a password or a query"),
        ("az://container/log?sig=secret", "contains a user, a password or a query"),
        ("s3://bucket/a log", "contains other characters than letters"),
        ("no/such/folder", "there is no folder .*/no/such"),
        ("/etc/hostname", "/etc/hostname is a file"),
        ("/a[log]", "contains "),
        ("/50%41", "contains "),
    ],
)
def test_urls_that_are_refused(url: str, message: str) -> None:
    """The message does not repeat a secret."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        DeltaLog(url)
    assert "secret" not in str(caught.value)


def test_a_column_of_another_type_is_refused(folder: Path) -> None:
    """A hash cannot follow a date in the same column; a new column can be added."""
    for kind in (pa.date32(), pa.string()):
        delta = DeltaLog(str(folder))
        delta.begin()
        schema = pa.schema([("submission_id", pa.string()), ("born", kind), (LOAD, pa.int64())])
        if kind == pa.date32():
            delta.prepare("applicants", schema)
            continue
        with pytest.raises(ConfigurationError, match=r"applicants\.born has another type in"):
            delta.prepare("applicants", schema)


def test_storage_that_fails(folder: Path) -> None:
    """The error names the change log and the kind of the failure, and nothing of a row."""
    DeltaLog(str(folder)).begin()
    (folder / "_loads" / "_delta_log" / f"{0:020}.json").write_text("damaged")
    with pytest.raises(DestinationError, match=r"it's a log cannot be read or written \(\w+\)"):
        DeltaLog(str(folder)).begin()


@pytest.mark.parametrize(
    ("days", "versions", "reason"),
    [
        (6.9, 20, None),
        (7, 20, "its oldest load is a week old"),
        (1, 21, "most of its rows are old versions"),
    ],
)
def test_when_old_versions_are_removed(days: float, versions: int, reason: str | None) -> None:
    """They are when a load is a week old, or when there are more of them than of current rows."""
    rows = [{"published_at": NOW}, {"published_at": NOW + DAY}]
    one = Difference(new=0, changed=0, gone=0, emptied=0, logged=10, versions=versions)
    published = pa.Table.from_pylist(rows)
    assert _routine_reason(published, {"submissions": one}, NOW + days * DAY) == reason


@pytest.mark.parametrize("engine", ENGINES)
def test_views_are_valid_for_each_engine(engine: str) -> None:
    """Each has a view for every table, with the table's columns; sqlglot can parse them."""
    script = current_views(engine, "s3://bucket/log", "argos")  # type: ignore[arg-type]
    selects = [s for s in script.split(";\n") if s.startswith("CREATE OR REPLACE VIEW argos.")]
    trees = [sqlglot.parse_one(select, dialect=engine) for select in selects]
    names = {tree.this.name: tree.expression.named_selects for tree in trees}
    assert names.pop("_current_versions") == ["submission_id", "_load"]
    tables = load_contract().tables
    assert set(names) == set(tables) - {
        *("quarantine", "sync_suppressions", "sync_erasures", "sync_reveals")
    }
    assert all(set(columns) <= set(tables[name].columns_by_name) for name, columns in names.items())
    assert script.count("s3://bucket/log/" if engine != "snowflake" else "BASE_LOCATION") == 18


def test_what_an_overtaken_publish_has_appended_is_removed(folder: Path) -> None:
    """By the one that wins, and by itself what it appends later, so that no row of it stays."""
    schema = pa.schema([("submission_id", pa.string()), (LOAD, pa.int64())])
    first, second = DeltaLog(str(folder)), DeltaLog(str(folder))

    def append(delta: DeltaLog, name: str) -> None:
        row = {"submission_id": ["sub-1"], LOAD: [delta.number]}
        delta.append(name, pa.table(row, schema).to_reader())

    first.begin()
    second.begin()
    for delta in (first, second):
        for name in ("kyc", "aml"):
            delta.prepare(name, schema)
    append(second, "kyc")
    append(first, "kyc")
    second.commit({"rewritten": True}, replaces=True)
    assert second.remove({second.number}) == 1
    assert DeltaTable(folder / "kyc").to_pyarrow_table()[LOAD].to_pylist() == [second.number]
    append(first, "aml")
    with pytest.raises(DestinationError, match="has begun meanwhile"):
        first.commit({"rewritten": True}, replaces=True)
    assert [path.parent.name for path in parquet_files(folder)] == [f"{LOAD}={second.number}"]
