"""`publish`: no personal data leaves, and a failure never damages the published file."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.tables import public_tables
from argos_sync.commands.sync import sync
from argos_sync.load.target import Target
from argos_sync.shape.contract import load_contract
from argos_sync.warehouse.views import load_views
from cli.command import Command
from published import (
    DIRECT,
    QUASI,
    VISIBLE,
    columns,
    content,
    copy_of,
    folder_bytes,
    recognisable,
    texts,
)
from support import PG, Warehouse, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.process

COMMAND_WITH_STOP = """
import logging, os, signal, sys
from argos_sync.cli.app import main

stop_point, action = sys.argv.pop(1), sys.argv.pop(1)

def reach(point):
    if point != stop_point:
        return
    if action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("reached", flush=True)
    sys.stdin.readline()

class LogHandler(logging.Handler):
    def emit(self, record):
        reach(record.getMessage().partition(",")[0])

def audit(event, arguments):
    if event in ("os.rename", "shutil.rmtree") and ".argos-publish-" in str(arguments[0]):
        reach(event)

logging.getLogger("argos_sync").addHandler(LogHandler())
sys.addaudithook(audit)
main()
"""
"""The command, which dies or waits at a point: a line that it logs, or an audit event of Python."""

READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for query in ("SELECT COUNT(*) FROM argos.submissions", "FROM argos.applicants ORDER BY 1"):
        print(connection.execute(query).fetchall(), flush=True)
        sys.stdin.readline()
"""
"""A reader that has a copy open and reads another table later."""


def command_for(warehouse: Warehouse, folder: Path) -> Command:
    """Return the installed command, configured for a warehouse."""
    return Command(
        folder,
        {
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{warehouse.target.file}",
            "DESTINATION__POSTGRES__CREDENTIALS": PG,
        },
        private={DIRECT, QUASI},
    )


def options(warehouse: Warehouse) -> list[str]:
    """Return the options that select a warehouse."""
    return [
        *("--destination", warehouse.target.destination, "--dataset", warehouse.target.dataset),
        *("--pipelines-dir", str(warehouse.target.pipelines_dir)),
    ]


def load(warehouse: Warehouse, submissions: list[Any]) -> None:
    """Sync submissions into a warehouse."""
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, warehouse.target))


@pytest.fixture
def people(any_warehouse: Warehouse) -> Warehouse:
    """Return a warehouse with marked people, one of them in quarantine."""
    load(any_warehouse, [*map(recognisable, range(3)), recognisable(3) | {"created_at": None}])
    return any_warehouse


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return the folder that analysts read."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def start_with_stop(synced: Path, argos_sync: Command, shared: Path) -> Iterator[Any]:
    """Return a function that starts a command which dies or waits at a point."""
    processes: list[subprocess.Popen[str]] = []

    def start(point: str, action: str, *arguments: str) -> subprocess.Popen[str]:
        command = replace(argos_sync, executable=Path(sys.executable))
        process = command.start(
            "-c", COMMAND_WITH_STOP, point, action, *arguments, stdin=subprocess.PIPE
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()


def test_no_personal_data_is_published(people: Warehouse, tmp_path: Path, shared: Path) -> None:
    """The copy has no value and no byte of direct columns, and with --strict none of quasi ones."""
    assert DIRECT in str(people.table("applicants"))
    assert DIRECT in str(people.table("quarantine"))
    argos_sync, file = command_for(people, tmp_path), shared / "copy.duckdb"
    umask = os.umask(0o077)
    os.umask(umask)
    for strict in (False, True):
        arguments = ["publish", "--to", str(file), *options(people), *["--strict"][:strict]]
        summary = argos_sync.json(*arguments)
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask
        copy = copy_of(file, people.target.dataset)
        copied = columns(copy)
        contract = {name: load_contract()[name] for name in copied}
        classes = {
            contract[t].columns_by_name[c].privacy for t, names in copied.items() for c in names
        }
        assert classes == ({"none"} if strict else {"none", "quasi"})
        text, raw = "".join(texts(copy)), folder_bytes(shared)
        for marker, expected in ((DIRECT, False), (QUASI, not strict), (VISIBLE, True)):
            assert (marker in text) == expected
            assert (marker.encode() in raw) == expected
        rows = content(copy, copied)
        assert rows == content(people, copied)
        assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]
        assert summary == {
            "file": str(file),
            "strict": strict,
            "pseudonyms": False,
            "rewrite": "its tables, views or options are others" if strict else "it is new",
            "tables": {name: len(rows[name]) for name in contract},
            "written": {name: len(rows[name]) for name in contract},
            "views": sorted(view.name for view in load_views()),
            "columns_left_out": sum(
                len(table.columns) - len(copied[name]) for name, table in contract.items()
            ),
        }
        assert summary["tables"]["submissions"] == 3
        assert summary["tables"]["sync_issues"] > 0
        assert copy.query("SELECT submissions FROM staleness") == [{"submissions": 3}]


def test_the_output_lists_the_copied_tables(
    argos_sync: Command, synced: Path, shared: Path
) -> None:
    """Stdout has a table of row counts, stderr a log line for each table."""
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    done = argos_sync("publish", "--to", str(shared / "copy.duckdb"))
    assert "│ submissions               │   80 │" in done.stdout
    last = f"{shared / 'copy.duckdb'}: 56 columns left out; {len(load_views())} views; rewritten,"
    assert last in done.stdout.replace("\n", "")
    lines = [line.split(" publish: ")[1] for line in done.stderr.splitlines()]
    assert lines[0] == "submissions, 80 rows"
    assert len(lines) == len(public_tables(strict=False))


def test_a_reader_keeps_reading_the_old_file(
    synced: Path, argos_sync: Command, shared: Path
) -> None:
    """A reader that has the old copy open keeps it; a later reader gets the new one."""
    file = shared / "copy.duckdb"
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    publish(Target(file=str(synced), pipelines_dir=str(argos_sync.folder / "dlt")), file)
    before = [tuple(row.values()) for row in copy_of(file).query("FROM applicants ORDER BY 1")]
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "[(80,)]\n"
        argos_sync("publish", "--to", str(file), "--strict")
        assert reader.communicate("\n\n")[0] == f"{before}\n"
    assert "nationality" not in columns(copy_of(file))["applicants"]
    assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]


@pytest.mark.parametrize(
    ("point", "replaced"),
    [
        ("publish: submissions", False),
        ("os.rename", False),
        ("shutil.rmtree", True),
    ],
)
def test_a_kill_leaves_a_complete_file(
    start_with_stop: Any,
    synced: Path,
    argos_sync: Command,
    shared: Path,
    point: str,
    *,
    replaced: bool,
) -> None:
    """The old or the new file is complete; the next publish removes temporary files."""
    file = shared / "copy.duckdb"
    target = Target(file=str(synced), pipelines_dir=str(argos_sync.folder / "dlt"))
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    publish(target, file, strict=True)
    old = file.read_bytes()
    killed = argos_sync.finish(start_with_stop(point, "die", "publish", "--to", str(file)))
    assert killed.returncode == -signal.SIGKILL
    assert (file.read_bytes() != old) == replaced
    (temporary,) = shared.glob(".argos-publish-*")
    assert temporary.stat().st_mode & 0o777 == 0o700
    if point.startswith("publish"):
        assert (temporary / "new").stat().st_mode & 0o777 == 0o600
    assert not [text for text in argos_sync.private if text.encode() in folder_bytes(shared)]
    assert ("nationality" in columns(copy_of(file))["applicants"]) == replaced
    assert copy_of(file).count("applicants") == 80
    publish(target, file)
    assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]
    assert "nationality" in columns(copy_of(file))["applicants"]


def test_a_killed_change_log(
    start_with_stop: Any, synced: Path, argos_sync: Command, shared: Path
) -> None:
    """Its rows are never visible, and the next publish removes all that it left."""
    url, loads = str(shared / "log"), shared / "log" / "_loads"
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    arguments = ("publish", "--format", "delta", "--to", url)
    killed = argos_sync.finish(start_with_stop("publish: appended to kyc", "die", *arguments))
    assert killed.returncode == -signal.SIGKILL
    folders = list(argos_sync.folder.rglob(".argos-publish-*"))
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700]
    assert DeltaTable(loads).to_pyarrow_table().num_rows == 0
    abandoned = [*shared.rglob("_load=1/*")]
    assert {path.parent.parent.name for path in abandoned} > {"submissions", "kyc"}
    summary = argos_sync.json(*arguments)
    assert (summary["load"], summary["rewrite"], summary["strict"]) == (2, "it is new", False)
    assert summary["submissions"] == {"new": 80, "changed": 0, "gone": 0}
    assert (summary["url"], summary["rows"]["kyc"], summary["files_deleted"]) == (
        url,
        80,
        len(abandoned),
    )
    assert DeltaTable(loads).to_pyarrow_table()["_load"].to_pylist() == [2]
    assert [*shared.rglob("_load=1/*"), *argos_sync.folder.rglob(".argos-publish-*")] == []


def test_two_at_once(
    start_with_stop: Any, synced: Path, argos_sync: Command, shared: Path, tmp_path: Path
) -> None:
    """Two runs do not disturb each other, and the last to end wins; a sync sees the lock."""
    file = shared / "copy.duckdb"
    arguments = ("publish", "--to", str(file))
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    argos_sync.settings["SOURCES__ARGOS__API_KEY"] = "key"
    first = start_with_stop("publish: submissions", "wait", *arguments, "--strict")
    assert first.stdout.readline() == "reached\n"
    argos_sync(*arguments)
    assert "nationality" in columns(copy_of(file))["applicants"]
    assert f"locked by process {first.pid}" in argos_sync.error_line("sync", code=5)
    assert len(list(shared.iterdir())) == 2
    first.stdin.write("\n")
    assert argos_sync.finish(first).returncode == 0
    assert "nationality" not in columns(copy_of(file))["applicants"]
    assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_a_sync_during_publish(
    start_with_stop: Any,
    any_warehouse: Warehouse,
    argos_sync: Command,
    shared: Path,
    january: list[dict[str, Any]],
) -> None:
    """On PostgreSQL the copy is one snapshot, whatever a sync commits at the same time."""
    load(any_warehouse, january[:200])
    file = shared / "copy.duckdb"
    argos_sync.settings["DESTINATION__POSTGRES__CREDENTIALS"] = PG
    arguments = ("publish", "--to", str(file), *options(any_warehouse))
    process = start_with_stop("publish: submissions", "wait", *arguments)
    assert process.stdout.readline() == "reached\n"
    copy = copy_of(file, any_warehouse.target.dataset)
    tables = {table.name: list(table.columns_by_name) for table in public_tables(strict=False)}
    before = content(any_warehouse, tables)
    load(any_warehouse, [row | {"kyc": {"result": "rejected"}} for row in january])
    assert any_warehouse.count("submissions") == 400
    process.stdin.write("\n")
    assert argos_sync.finish(process).returncode == 0
    published = content(copy, tables)
    assert published == before
    ids = {row["submission_id"] for row in published["submissions"]}
    assert len(ids) == 200
    children = [table for table in tables if load_contract()[table].belongs_to_submission]
    assert {row["submission_id"] for table in children for row in published[table]} == ids


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("link", "kyc.duckdb is the warehouse itself or its log; name another file"),
        ("notes.txt", "notes.txt is not a DuckDB file and stays as it is; name another file"),
    ],
)
def test_refused_files(loaded: Command, to: str, message: str) -> None:
    """The message names the file, and no file is changed."""
    (loaded.folder / "link").symlink_to("kyc.duckdb")
    (loaded.folder / "notes.txt").write_text("not a database, and long enough for its header")

    def state() -> set[tuple[str, int, int]]:
        paths = [path for path in loaded.folder.iterdir() if path.name != "dlt"]
        return {(path.name, path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}

    before = state()
    assert message in loaded.error_line("publish", "--to", to, code=2)
    assert state() == before
