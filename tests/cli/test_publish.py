"""`publish` as a process: nothing personal gets out, and whatever happens the old file is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argos_sync.commands.publish import public_tables, publish
from argos_sync.commands.sync import sync
from argos_sync.emulator import Emulator
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

TRAPPED = """
import logging, os, signal, sys
from argos_sync.cli.app import main

point, action = sys.argv.pop(1), sys.argv.pop(1)

def reached(where):
    if where != point:
        return
    if action == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("reached", flush=True)
    sys.stdin.readline()

class Said(logging.Handler):
    def emit(self, record):
        reached(record.getMessage().partition(",")[0])

def audited(event, arguments):
    if event in ("os.rename", "shutil.rmtree") and ".argos-publish-" in str(arguments[0]):
        reached(event)

logging.getLogger("argos_sync").addHandler(Said())
sys.addaudithook(audited)
main()
"""
"""The command, which dies or waits at a point: a line it logs, or a call Python tells of."""

READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for query in ("SELECT COUNT(*) FROM argos.submissions", "FROM argos.applicants ORDER BY 1"):
        print(connection.execute(query).fetchall(), flush=True)
        sys.stdin.readline()
"""
"""An analyst, who has a copy open and asks for what was not read before."""


def command_for(warehouse: Warehouse, folder: Path) -> Command:
    """The installed command, configured for this warehouse."""
    return Command(
        folder,
        {
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{warehouse.target.file}",
            "DESTINATION__POSTGRES__CREDENTIALS": PG,
        },
        private={DIRECT, QUASI},
    )


def options(warehouse: Warehouse) -> list[str]:
    """The options that name this warehouse."""
    return [
        *("--destination", warehouse.target.destination, "--dataset", warehouse.target.dataset),
        *("--pipelines-dir", str(warehouse.target.pipelines_dir)),
    ]


def load(warehouse: Warehouse, submissions: list[Any]) -> None:
    """Syncs these submissions."""
    with Emulator(submissions) as api:
        sync(context_for(api.base_url, warehouse.target))


@pytest.fixture
def people(any_warehouse: Warehouse) -> Warehouse:
    """A warehouse of each kind with people who can be recognised, one of them in quarantine."""
    load(any_warehouse, [*map(recognisable, range(3)), recognisable(3) | {"created_at": None}])
    return any_warehouse


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder that analysts read."""
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def trapped(synced: Path, argos_sync: Command, shared: Path) -> Iterator[Any]:
    """Starts the command in a folder with a loaded warehouse, to die or wait at a point."""
    started: list[subprocess.Popen[str]] = []

    def start(point: str, action: str, *arguments: str) -> subprocess.Popen[str]:
        command = replace(argos_sync, executable=Path(sys.executable))
        process = command.start("-c", TRAPPED, point, action, *arguments, stdin=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def test_nothing_personal_gets_out(people: Warehouse, tmp_path: Path, shared: Path) -> None:
    """Direct columns are in no value and no byte of the copy, and with --strict no quasi ones."""
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
        found = columns(copy)
        contract = {name: load_contract()[name] for name in found}
        classes = {
            contract[t].columns_by_name[c].privacy for t, names in found.items() for c in names
        }
        assert classes == ({"none"} if strict else {"none", "quasi"})
        said, raw = "".join(texts(copy)), folder_bytes(shared)
        for marker, there in ((DIRECT, False), (QUASI, not strict), (VISIBLE, True)):
            assert (marker in said) == there
            assert (marker.encode() in raw) == there
        rows = content(copy, found)
        assert rows == content(people, found)
        assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]
        assert summary == {
            "file": str(file),
            "strict": strict,
            "tables": {name: len(rows[name]) for name in contract},
            "views": [view.name for view in load_views()],
            "columns_left_out": sum(
                len(table.columns) - len(found[name]) for name, table in contract.items()
            ),
        }
        assert summary["tables"]["submissions"] == 3
        assert summary["tables"]["sync_issues"] > 0
        assert copy.query("SELECT submissions FROM staleness") == [{"submissions": 3}]


def test_a_person_is_told_what_was_copied(argos_sync: Command, synced: Path, shared: Path) -> None:
    """Tables with rows are on stdout, a log line for each table on stderr."""
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    done = argos_sync("publish", "--to", str(shared / "copy.duckdb"))
    assert "│ submissions               │ 80" in done.stdout
    last = f"{shared / 'copy.duckdb'}: 45 columns left out; {len(load_views())} views\n"
    assert done.stdout.endswith(last)
    lines = [line.split(" publish: ")[1] for line in done.stderr.splitlines()]
    assert lines[0] == "submissions, 80 rows"
    assert len(lines) == len(public_tables(strict=False))


def test_a_reader_goes_on_reading_the_old_file(
    synced: Path, argos_sync: Command, shared: Path
) -> None:
    """Who has the old copy open sees it to the end; who opens it after sees the new one."""
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
def test_a_kill_leaves_a_whole_file(
    trapped: Any, synced: Path, argos_sync: Command, shared: Path, point: str, *, replaced: bool
) -> None:
    """The old file or the new one is there, whole; the next publish removes what was left."""
    file = shared / "copy.duckdb"
    target = Target(file=str(synced), pipelines_dir=str(argos_sync.folder / "dlt"))
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    publish(target, file, strict=True)
    old = file.read_bytes()
    died = argos_sync.finish(trapped(point, "die", "publish", "--to", str(file)))
    assert died.returncode == -signal.SIGKILL
    assert (file.read_bytes() != old) == replaced
    (left,) = shared.glob(".argos-publish-*")
    assert left.stat().st_mode & 0o777 == 0o700
    if point.startswith("publish"):
        assert (left / "new").stat().st_mode & 0o777 == 0o600
    assert not [text for text in argos_sync.private if text.encode() in folder_bytes(shared)]
    assert ("nationality" in columns(copy_of(file))["applicants"]) == replaced
    assert copy_of(file).count("applicants") == 80
    publish(target, file)
    assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]
    assert "nationality" in columns(copy_of(file))["applicants"]


def test_two_at_once(
    trapped: Any, synced: Path, argos_sync: Command, shared: Path, tmp_path: Path
) -> None:
    """Neither disturbs the other, the last one to end has the file, and a sync is told of them."""
    file = shared / "copy.duckdb"
    arguments = ("publish", "--to", str(file))
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = f"duckdb:///{synced}"
    argos_sync.settings["SOURCES__ARGOS__API_KEY"] = "key"
    first = trapped("publish: submissions", "wait", *arguments, "--strict")
    assert first.stdout.readline() == "reached\n"
    argos_sync(*arguments)
    assert "nationality" in columns(copy_of(file))["applicants"]
    assert f"locked by process {first.pid}" in argos_sync.says("sync", code=5)
    assert len(list(shared.iterdir())) == 2
    first.stdin.write("\n")
    assert argos_sync.finish(first).returncode == 0
    assert "nationality" not in columns(copy_of(file))["applicants"]
    assert [path.name for path in shared.iterdir()] == ["copy.duckdb"]


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_a_sync_meanwhile_is_not_seen(
    trapped: Any,
    any_warehouse: Warehouse,
    argos_sync: Command,
    shared: Path,
    january: list[dict[str, Any]],
) -> None:
    """On PostgreSQL the copy is of one moment, whatever a sync commits while it is made."""
    load(any_warehouse, january[:200])
    file = shared / "copy.duckdb"
    argos_sync.settings["DESTINATION__POSTGRES__CREDENTIALS"] = PG
    arguments = ("publish", "--to", str(file), *options(any_warehouse))
    process = trapped("publish: submissions", "wait", *arguments)
    assert process.stdout.readline() == "reached\n"
    copy = copy_of(file, any_warehouse.target.dataset)
    wanted = {table.name: list(table.columns_by_name) for table in public_tables(strict=False)}
    before = content(any_warehouse, wanted)
    load(any_warehouse, [one | {"kyc": {"result": "rejected"}} for one in january])
    assert any_warehouse.count("submissions") == 400
    process.stdin.write("\n")
    assert argos_sync.finish(process).returncode == 0
    found = content(copy, wanted)
    assert found == before
    ids = {row["submission_id"] for row in found["submissions"]}
    assert len(ids) == 200
    children = [table for table in wanted if load_contract()[table].belongs_to_submission]
    assert {row["submission_id"] for table in children for row in found[table]} == ids


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("link", "kyc.duckdb is the warehouse itself or its log; name another file"),
        ("notes.txt", "notes.txt is not a DuckDB file and stays as it is; name another file"),
    ],
)
def test_what_is_refused(loaded: Command, to: str, words: str) -> None:
    """A target that cannot be meant is named, and everything stays as it is."""
    (loaded.folder / "link").symlink_to("kyc.duckdb")
    (loaded.folder / "notes.txt").write_text("not a database, and long enough for its mark")

    def state() -> set[tuple[str, int, int]]:
        paths = [path for path in loaded.folder.iterdir() if path.name != "dlt"]
        return {(path.name, path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}

    before = state()
    assert words in loaded.says("publish", "--to", to, code=2)
    assert state() == before
