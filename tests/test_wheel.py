"""The wheel works in a fresh environment, without the checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cli.command import Command

pytestmark = [pytest.mark.process, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
UV = shutil.which("uv") or ROOT / ".uv" / "bin" / "uv"
"""The uv that `make` uses."""


def run(*command: str | Path) -> str:
    """Run a program that must succeed, and return its output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the checkout, and return its path."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a constraints file with the versions that uv.lock pins, extra `report` included."""
    file = tmp_path_factory.mktemp("locked") / "locked.txt"
    options = ("--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--quiet")
    run(UV, "export", *options, "--extra", "report", "--output-file", file)
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, locked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel and its dependencies, no extras."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "bin" / "python"
    run(UV, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder)
    run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", locked, wheel)
    return python


def test_the_wheel_contains_the_schemas(wheel: Path) -> None:
    """The wheel has the typed package with every schema and view, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    files = (*(ROOT / "schemas").glob("*.yaml"), *(ROOT / "schemas").glob("views/*.sql"))
    files = (*files, *(path for path in (ROOT / "schemas" / "dbt").rglob("*.*") if path.is_file()))
    schemas = {f"argos_sync/{path.relative_to(ROOT).as_posix()}" for path in files}
    assert len(schemas) > 10
    assert "argos_sync/schemas/views/staleness.sql" in schemas
    assert "argos_sync/schemas/dbt/models/sources.yml" in schemas
    assert schemas | {"argos_sync/py.typed", "argos_sync/__init__.py"} <= set(names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"argos_sync"}


def test_the_package_imports_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    """The package and its schemas come from the environment, and `argos_source` is importable."""
    script = (
        "import argos_sync; from argos_sync.shape.contract import load_contract;"
        " print(argos_sync.__file__, argos_sync.argos_source.__name__, len(load_contract().tables))"
    )
    done = subprocess.run(
        [installed, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    file, source, tables = done.stdout.split()
    assert Path(file).is_relative_to(installed.parent.parent)
    assert source == "argos_source"
    assert int(tables) == len(list((ROOT / "schemas").glob("*.yaml")))


def test_the_command_works(installed: Path, wheel: Path, locked: Path, tmp_path: Path) -> None:
    """Whatever needs no extra runs from an empty folder without any; a report needs its own."""
    argos_sync = Command(tmp_path, executable=installed.parent / "argos-sync")
    assert "demo" in argos_sync("--help").stdout
    demo = argos_sync("demo", "-n", "50").stdout
    assert demo.startswith("50 made-up submissions are in kyc_demo")
    assert "For a report, run pip install 'argos-sync[report]' and the demo again." in demo
    assert argos_sync.rows("SELECT COUNT(*) FROM submissions", file="kyc_demo") == [(50,)]
    argos_sync.settings["DESTINATION__DUCKDB__CREDENTIALS"] = "duckdb:///kyc_demo.duckdb"
    for _ in ("all rows", "an update"):
        argos_sync("publish", "--to", "copy.duckdb")
    argos_sync("publish", "--to", "files", "--format", "parquet")
    counted = argos_sync("sql", "SELECT COUNT(*) AS n FROM submissions", "--csv")
    assert counted.stdout == "n\n50\n"
    argos_sync("status")
    report = ("report", "--file", "kyc_demo.duckdb", "--out", "report.html")
    assert argos_sync.error_line(*report, code=2) == (
        "report needs the package vl-convert-python, which is not installed;"
        " pip install 'argos-sync[report]'"
    )
    assert not (tmp_path / "report.html").exists()
    extra = f"argos-sync[report] @ {wheel.as_uri()}"
    run(UV, "pip", "install", "--quiet", "--python", installed, "--constraint", locked, extra)
    argos_sync(*report)
    assert "</svg>" in (tmp_path / "report.html").read_text()
