"""A folder of Parquet files: what is in it, what is written again, and what is removed."""

import stat
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.file import PublishedFile
from argos_sync.commands.publish.parquet_folder import ParquetResult, publish_parquet
from argos_sync.commands.sync import sync
from argos_sync.load.errors import DestinationError
from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.pseudonyms import PSEUDONYMS, Pseudonymizer
from argos_sync.warehouse.views import load_views
from cli.command import run_in_process
from log_reader import any_in
from published import DIRECT, QUASI, VISIBLE, recognisable
from published_changes import change, rows_of, rows_of_folder
from support import Warehouse, context_for
from whole_lists import Emulator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a folder that does not exist yet."""
    return tmp_path / "it's a folder"


def write(warehouse: Warehouse, folder: Path, **options: Any) -> ParquetResult:
    """Publish into a folder."""
    return publish_parquet(warehouse.target, str(folder), **options)


@pytest.mark.slow
@pytest.mark.tables_made
def test_the_files(any_warehouse: Warehouse, folder: Path, tmp_path: Path) -> None:
    """They have the rows of a copy, and nothing personal in values and statistics."""
    with Emulator([recognisable(number) for number in range(3)]) as api:
        sync(context_for(api.base_url, any_warehouse.target))
    result = write(any_warehouse, folder)
    publish(any_warehouse.target, tmp_path / "copy.duckdb")
    expected = rows_of(tmp_path / "copy.duckdb", any_warehouse.target.dataset)
    assert rows_of_folder(folder) == expected
    assert result.rows == {name: len(rows) for name, rows in expected.items()}
    assert {*result.written} == {*expected, "publication"}
    files = {path.name for path in result.version.iterdir()}
    assert files == {"views.sql", *(f"{name}.parquet" for name in result.written)}
    assert result.views == tuple(sorted(view.name for view in load_views()))
    found = any_in(folder, [DIRECT, QUASI, VISIBLE])
    assert (found[DIRECT], found[QUASI] > 0, found[VISIBLE] > 0) == (0, True, True)
    strict = write(any_warehouse, folder, strict=True)
    assert strict.removed == "its tables, views or options are others"
    assert any_in(folder, [DIRECT, QUASI]) == {DIRECT: 0, QUASI: 0}


@pytest.mark.parametrize(("mode", "listed"), [(0o600, 0o700), (0o644, 0o755), (0o640, 0o750)])
def test_modes(synced_warehouse: Warehouse, folder: Path, mode: int, listed: int) -> None:
    """Whoever may read the files may list the folders, but not the lock of the publisher."""
    version = write(synced_warehouse, folder, mode=mode).version
    assert {stat.S_IMODE(path.stat().st_mode) for path in version.iterdir()} == {mode}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, version)] == [listed, listed]


def test_a_file_that_cannot_be_written(synced_warehouse: Warehouse, tmp_path: Path) -> None:
    """The message names the file that was to be, not the one that it was made from."""
    with duckdb.connect() as connection:
        new = tmp_path / "private" / "new"
        new.parent.mkdir()
        copy = PublishedFile(connection, new, tmp_path / "copy.duckdb", "argos")
        copy.run(f"CREATE TABLE {copy.qualified('kyc')} (n INT)")
        with pytest.raises(DestinationError, match=r"that /data has space .* /data/kyc.parquet is"):
            copy.export("kyc", Path("/dev/full"), Path("/data/kyc.parquet"))


@pytest.mark.slow
@pytest.mark.covered
def test_unchanged_files_are_shared(synced_warehouse: Warehouse, folder: Path) -> None:
    """And those of changed tables are written again; who reads the version before can go on."""
    first = write(synced_warehouse, folder)
    change(synced_warehouse, "decided")
    change(synced_warehouse, "merged", 5)
    second = write(synced_warehouse, folder)
    assert {*second.written} == {"submissions", "kyc", "publication"}
    assert second.removed is None
    shared = {
        path.name: (first.version / path.name).samefile(path)
        for path in second.version.glob("*.parquet")
    }
    assert {name for name, same in shared.items() if not same} == {
        f"{name}.parquet" for name in second.written
    }
    with duckdb.connect() as connection:
        connection.execute((first.version / "views.sql").read_text())
        connection.execute(
            "CREATE TEMP TABLE before AS SELECT submission_id, kyc_result FROM submissions_wide"
        )
        connection.execute((folder / "latest" / "views.sql").read_text())
        changed = connection.execute(
            "SELECT s.kyc_result FROM submissions_wide AS s JOIN before USING (submission_id)"
            " WHERE s.kyc_result IS DISTINCT FROM before.kyc_result"
        ).fetchall()
    assert changed == [("decided 1",)]


@pytest.mark.slow
@pytest.mark.covered
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("erased", "rows are gone from the warehouse"),
        ("value lost", "submissions have lost personal values"),
    ],
)
def test_an_erasure_removes_the_version_before(
    synced_warehouse: Warehouse, folder: Path, name: str, reason: str
) -> None:
    """What is erased is in no file of the folder any more."""
    ids = [
        row["id"]
        for row in synced_warehouse.query("SELECT submission_id AS id FROM submissions ORDER BY 1")
    ]
    first = write(synced_warehouse, folder)
    change(synced_warehouse, name, 1)
    second = write(synced_warehouse, folder)
    assert second.removed == reason
    assert not first.version.exists()
    has_first = any_in(folder, [ids[1]])[ids[1]] > 0
    assert has_first == (name != "erased")


@pytest.mark.slow
def test_a_damaged_version_is_replaced(synced_warehouse: Warehouse, folder: Path) -> None:
    """It does not stay, because nobody knows what is in it."""
    damaged = write(synced_warehouse, folder)
    for file in ("kyc.parquet", "publication.parquet"):
        (damaged.version / file).write_bytes(b"PAR1 damaged")
        after = write(synced_warehouse, folder)
        assert after.removed == "its tables, views or options are others"
        assert not damaged.version.exists()
        assert len(rows_of_folder(folder)["kyc"]) == after.rows["kyc"]
        damaged = after


@pytest.mark.slow
def test_pseudonyms(synced_warehouse: Warehouse, folder: Path) -> None:
    """They are in the files as in a copy."""
    maker = Pseudonymizer(Keyring.from_secret("a secret that is long enough"))
    version = write(synced_warehouse, folder, pseudonymizer=maker).version
    table = pq.read_table(version / "applicants.parquet")
    email = next(
        one["email"]
        for one in synced_warehouse.query("SELECT email FROM applicants")
        if one["email"]
    )
    assert maker.of_text("email", email) in table["email_key"].to_pylist()
    assert {one.name for one in PSEUDONYMS["applicants"]} < {*table.column_names}


def test_a_url_is_refused(synced_warehouse: Warehouse) -> None:
    """There is another format for object storage."""
    with pytest.raises(
        ConfigurationError, match="--to is a URL; name a folder, or use --format delta"
    ):
        publish_parquet(synced_warehouse.target, "s3://bucket/folder")


def test_the_command(
    synced_warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says where the version is, and how many files are new."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv(
        "DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{synced_warehouse.target.file}"
    )
    assert run_in_process("publish", "--format", "parquet", "--to", "files") == 0
    *rows, line = capsys.readouterr().out.splitlines()
    assert ["submissions", "80"] in [row.replace("│", "").split() for row in rows]
    assert line == f"{tmp_path}/files/v1: 18 files written, 0 shared with the version before"
