"""The dbt package builds on DuckDB and PostgreSQL, on warehouses and on published copies."""

import json
import os
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

import argos_sync
from argos_sync.shape.contract import schemas_folder
from cli.command import CommandInProcess
from questions import CLEARED, OVERTURNED, SUBMISSIONS, load_year, make_year
from requirements import report_missing
from support import (
    PG,
    Rows,
    created_at,
    postgres_administrator,
    postgres_dataset,
    postgres_warehouse,
)

pytestmark = pytest.mark.dbt

PACKAGE = schemas_folder() / "dbt"
DBT_PYTHON = Path(__file__).parents[2] / ".venv-dbt" / "bin" / "python"
RUNS = Path(__file__).with_name("dbt_runs.py")

KINDS = ("warehouse", "copy", "strict", "postgres")
MARTS = ("customers", "decisions", "alerts", "daily_kpis")

Statuses = dict[str, str]
"""Status of each model and test of a run, by name."""

BROKEN = {
    "UPDATE attempts SET attempt_index = 0 WHERE attempt_index = 1 AND submission_id ="
    " (SELECT submission_id FROM attempts WHERE attempt_index = 1 ORDER BY 1 LIMIT 1)": (
        "argos_attempts_key_is_unique",
        "fail",
    ),
    "UPDATE attempt_retries SET attempt_index = 99 WHERE retry_index = 0 AND submission_id ="
    " (SELECT submission_id FROM attempt_retries WHERE attempt_index = 0 ORDER BY 1 LIMIT 1)": (
        "argos_attempt_retries_have_their_attempts",
        "fail",
    ),
    "UPDATE kyc SET submission_id = 'nobody' WHERE submission_id ="
    " (SELECT MIN(submission_id) FROM kyc)": (
        "source_relationships_argos_kyc_submission_id__submission_id__source_argos_submissions_",
        "fail",
    ),
    "UPDATE kyc SET result = 'escalated' WHERE result = 'incomplete'": (
        "source_accepted_values_argos_kyc_result__approved__rejected__pending__incomplete",
        "warn",
    ),
    "UPDATE sync_runs SET completeness = 'somehow'": (
        "source_accepted_values_argos_sync_runs_completeness__list__sections__each",
        "fail",
    ),
}
"""Statements that damage a copy of the warehouse: the test that has to find it, and its status."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder for warehouses, copies and what dbt makes of them."""
    if not DBT_PYTHON.exists():
        report_missing("no dbt in .venv-dbt: make test-dbt")
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def submissions(folder: Path) -> Rows:
    """Put the warehouse and its copies into the folder, and return what the API has."""
    shutil.copy(make_year() / "kyc.duckdb", folder)
    argos_sync = CommandInProcess(folder, {"SOURCES__ARGOS__PRIVACY__KEY": "k" * 44})
    for kind, options in (("copy", ()), ("strict", ("--strict", "--pseudonyms"))):
        shutil.copytree(PACKAGE, folder / kind)
        sources = folder / kind / "models" / "sources.yml"
        command = ("publish", "--to", f"{kind}.duckdb", "--dbt", str(sources), *options)
        argos_sync(*command)
        assert f"for {kind}.duckdb" in sources.read_text()
    broken = folder / "broken.duckdb"
    shutil.copy(folder / "kyc.duckdb", broken)
    damage(broken)
    submissions: Rows = json.loads((make_year() / SUBMISSIONS).read_text("utf-8"))
    return submissions


def damage(file: Path) -> None:
    """Break the rows that `BROKEN` names."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("USE argos")
        for statement in BROKEN:
            ((changed,),) = connection.execute(statement).fetchall()
            assert changed, statement


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Iterator[str]:
    """Fill a dataset of PostgreSQL, and drop it and the schema of the marts in the end."""
    with postgres_dataset() as name:
        load_year(postgres_warehouse(folder / "postgres", name))
        try:
            yield name
        finally:
            with postgres_administrator() as execute:
                execute(f"DROP SCHEMA IF EXISTS {name}_marts CASCADE")


@pytest.fixture(scope="module")
def built(folder: Path, submissions: Rows, dataset: str) -> dict[str, Statuses]:
    """Build everything from each warehouse, in one process, and test the broken one."""
    shutil.copytree(PACKAGE, folder / "package")
    (folder / "profiles.yml").write_text(json.dumps(profiles(folder, dataset)), encoding="utf-8")
    runs = {
        "warehouse": ["build", "--vars", "argos_database: kyc"],
        "copy": ["build", "--project-dir", str(folder / "copy")],
        "strict": ["build", "--project-dir", str(folder / "strict")],
        "postgres": ["build", "--vars", f"argos_dataset: {dataset}"],
        "broken": ["test", "--select", "source:*", "--vars", "argos_database: broken"],
    }
    commands = [
        json.dumps(
            [*arguments, "--target", kind, "--target-path", str(folder / "target" / kind)]
            + ([] if "--project-dir" in arguments else ["--project-dir", str(folder / "package")])
        )
        for kind, arguments in runs.items()
    ]
    common = json.dumps(["--profiles-dir", str(folder), "--log-path", str(folder / "logs")])
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [DBT_PYTHON, RUNS, common, *commands],
        cwd=folder,
        env=environment | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {kind: statuses(folder / "target" / kind) for kind in runs}


def profiles(folder: Path, dataset: str) -> dict[str, Any]:
    """Return dbt's profiles: marts are in files and schemas of their own."""
    attached = {"warehouse": "kyc", "copy": "copy", "strict": "strict", "broken": "broken"}
    outputs: dict[str, Any] = {
        kind: {
            "type": "duckdb",
            "path": str(folder / f"marts_{kind}.duckdb"),
            "threads": 1,
            "attach": [{"path": str(folder / f"{name}.duckdb"), "read_only": True}],
        }
        for kind, name in attached.items()
    }
    user, _, address = PG.removeprefix("postgresql://").partition("@")
    host, _, rest = address.partition(":")
    port, _, database = rest.partition("/")
    outputs["postgres"] = {
        "type": "postgres",
        "host": host,
        "port": int(port),
        "user": user.partition(":")[0],
        "password": user.partition(":")[2],
        "dbname": database,
        "schema": f"{dataset}_marts",
        "threads": 1,
    }
    return {"argos": {"target": "warehouse", "outputs": outputs}}


def statuses(target: Path) -> Statuses:
    """Return the status of each model and test of a run, by its name; of an error, its message."""
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {
        one["unique_id"].split(".")[2]: one["message" if one["status"] == "error" else "status"]
        for one in results
    }


@pytest.fixture(scope="module")
def marts(built: dict[str, Statuses], folder: Path, dataset: str) -> dict[str, dict[str, Rows]]:
    """Return the rows of each mart, by warehouse."""
    read = {
        kind: duckdb_rows(folder / f"marts_{kind}.duckdb") for kind in KINDS if kind != "postgres"
    }
    marts = postgres_warehouse(folder, f"{dataset}_marts")
    read["postgres"] = {name: marts.query(f"SELECT * FROM argos__{name}") for name in MARTS}
    return read


def duckdb_rows(file: Path) -> dict[str, Rows]:
    """Return the rows of each mart in a DuckDB file, which needs no other file to be read."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return {
            name: [
                dict(zip([column[0] for column in result.description], row, strict=True))
                for row in result.fetchall()
            ]
            for name in MARTS
            if (result := connection.execute(f"SELECT * FROM main.argos__{name}"))
        }


@pytest.mark.parametrize("kind", KINDS)
def test_everything_builds(kind: str, built: dict[str, Statuses]) -> None:
    """All models are made and all tests pass; nothing is skipped."""
    found = built[kind]
    assert set(found.values()) == {"success", "pass"}
    assert {f"argos__{name}" for name in MARTS} <= set(found)
    assert "argos_daily_kpis_add_up" in found
    assert "argos_attempts_key_is_unique" in found


def test_broken_rows_fail_the_right_tests(built: dict[str, Statuses]) -> None:
    """A repeated key, a row without its parent, and an unknown value: new ones only warn."""
    found = built["broken"]
    wrong = {name: status for name, status in found.items() if status != "pass"}
    assert wrong == dict(BROKEN.values())


def test_customers_are_persons(marts: dict[str, dict[str, Rows]], submissions: Rows) -> None:
    """Submissions with the same applicant_id are one customer; the others are one each.

    The latest approved submission stands for the customer, or else the latest.
    """
    by_customer: dict[str, Rows] = defaultdict(list)
    for one in submissions:
        by_customer[one.get("applicant_id") or one["submission_id"]].append(one)
    assert max(map(len, by_customer.values())) > 1
    latest = {
        customer: max(group, key=lambda one: (is_approved(one), created_at(one)))
        for customer, group in by_customer.items()
    }
    expected = {
        (customer, len(by_customer[customer]), one["submission_id"], is_approved(one))
        for customer, one in latest.items()
    }
    names = ("customer_id", "submissions", "submission_id", "is_approved")
    for kind in ("warehouse", "copy", "postgres"):
        customers = marts[kind]["customers"]
        assert {tuple(one[name] for name in names) for one in customers} == expected, kind
    # A strict copy has a pseudonym in place of the applicant_id.
    strict = {tuple(one[name] for name in names[1:]) for one in marts["strict"]["customers"]}
    assert strict == {one[1:] for one in expected}


def is_approved(submission: dict[str, Any]) -> bool:
    """Return whether a submission is approved."""
    return bool(submission["kyc"]["result"] == "approved")


@pytest.mark.parametrize("kind", KINDS)
def test_marts_count_what_the_api_has(
    kind: str, marts: dict[str, dict[str, Rows]], submissions: Rows
) -> None:
    """Decisions, those that were overturned, alerts open and closed, and their days."""
    read = marts[kind]
    decided = [one for one in submissions if one["kyc"]["result"] in ("approved", "rejected")]
    assert len(read["decisions"]) == len(decided)
    assert sum(one["times_overturned"] for one in read["decisions"]) == OVERTURNED
    flagged = [
        one for one in submissions if (one.get("aml") or {}).get("currentstatus") == "Red Flag"
    ]
    assert Counter(one["is_open"] for one in read["alerts"]) == {True: len(flagged), False: CLEARED}
    days = sorted(read["daily_kpis"], key=lambda one: one["day"])
    assert (days[-1]["day"] - days[0]["day"]).days == len(days) - 1
    assert sum(one["submissions"] for one in days) == len(submissions)
    assert days[-1]["alerts_open"] == len(flagged)


def test_the_marts_of_duckdb_and_postgres_are_equal(marts: dict[str, dict[str, Rows]]) -> None:
    """The same figures for each day."""
    figures = ("day", "submissions", "decisions", "approvals", "alerts_opened", "alerts_open")

    def read(kind: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(one[name] for name in figures) for one in marts[kind]["daily_kpis"])

    assert read("warehouse") == read("postgres") == read("copy")


def test_every_column_of_a_mart_is_described(marts: dict[str, dict[str, Rows]]) -> None:
    """marts.yml has the columns that there are, and no others."""
    properties = yaml.safe_load((PACKAGE / "models" / "marts" / "marts.yml").read_text())
    described = {
        model["name"]: {column["name"] for column in model["columns"]}
        for model in properties["models"]
    }
    assert described == {f"argos__{name}": set(marts["copy"][name][0]) for name in MARTS}


def test_the_package_has_the_version_of_argos_sync() -> None:
    """Its project file says so."""
    project = yaml.safe_load((PACKAGE / "dbt_project.yml").read_text())
    assert project["version"] == argos_sync.__version__
