"""What the newest version of DuckDB writes, read by an older one.

The tests of DuckLake have an environment with an older version than that of the others.
"""

import json
import subprocess
from pathlib import Path

import duckdb
import pytest

from cli.command import Command
from whole_lists import Emulator

NEWER = Path(__file__).parents[2] / ".venv" / "bin"

pytestmark = [pytest.mark.ducklake, pytest.mark.process]


def test_an_older_version_reads_every_view(configured: Command, api: Emulator) -> None:
    """The warehouse and a published copy; nothing is missing."""
    code = "import duckdb, json; print(json.dumps(duckdb.__version__.split('.')))"
    newest = subprocess.run([NEWER / "python", "-c", code], capture_output=True, check=True)
    assert json.loads(newest.stdout) > duckdb.__version__.split(".")
    newer = Command(configured.folder, configured.settings, executable=NEWER / "argos-sync")
    newer("sync")
    newer("publish", "--to", "copy.duckdb")
    for name in ("kyc", "copy"):
        views = newer.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal", file=name)
        assert len(views) > 10
        for (view,) in views:
            newer.rows(f"SELECT * FROM {view}", file=name)
        assert newer.rows("SELECT COUNT(*) FROM submissions_wide", file=name) == [
            (len(api.store.ids()),)
        ]
