"""Options of `publish` on the command line."""

import sys
from pathlib import Path

import pytest

from cli.command import run_in_process
from support import Warehouse


def test_the_output(
    synced_warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Text says what was appended and why; the views are printed without a warehouse."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    file = synced_warehouse.target.file
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{file}")
    assert run_in_process("publish", "--format", "delta", "--to", "log") == 0
    *rows, line = capsys.readouterr().out.splitlines()
    assert ["submissions", "80"] in [row.replace("│", "").split() for row in rows]
    summary = "load 1: rewritten, because it is new; submissions: 80 new, 0 changed, 0 gone"
    assert line == f"{tmp_path}/log, {summary}"
    Path(str(file)).unlink()
    assert run_in_process("publish", "--format", "delta", "--to", "log", "--views", "spark") == 0
    table = f"CREATE TABLE IF NOT EXISTS argos_log.kyc USING delta LOCATION '{tmp_path}/log/kyc';"
    assert table in capsys.readouterr().out.splitlines()


def test_views_need_the_format(capsys: pytest.CaptureFixture[str]) -> None:
    """They are a usage error for a DuckDB file, which has its own."""
    assert run_in_process("publish", "--to", "copy.duckdb", "--views", "spark") == 2
    assert "--views is for a change log: add --format delta" in capsys.readouterr().err


def test_dbt_sources_need_a_file_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change log has none, and what is no such file is refused before anything is published."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.yml").write_text("mine")
    assert run_in_process("publish", "--to", "copy.duckdb", "--dbt", "other.yml") == 2
    assert "other.yml is not a dbt sources file of argos-sync" in capsys.readouterr().err
    assert run_in_process("publish", "--format", "delta", "--to", "log", "--dbt", "new.yml") == 2
    assert "--dbt is for a DuckDB file: leave out --format" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other.yml"]


def test_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package, exit code 2 says what to install."""
    monkeypatch.setitem(sys.modules, "deltalake", None)
    assert run_in_process("publish", "--format", "delta", "--to", "log") == 2
    assert "pip install 'argos-sync[delta]'" in capsys.readouterr().err
