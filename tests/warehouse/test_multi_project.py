"""Views over several projects in one dataset."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.sync import sync
from argos_sync.config import dataset_of, load_settings
from argos_sync.emulator import generate
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import execute, execute_native
from argos_sync.run.context import Context
from argos_sync.warehouse import view_updates
from argos_sync.warehouse.multi_project import drop_project_views, update_project_views
from support import NOW, Warehouse, at, context_for, drop_postgres
from whole_lists import Emulator

Rows = list[tuple[Any, ...]]


@dataclass
class Projects:
    """Two projects, each with its own API.

    Attributes:
        names: Names of the projects.
        dataset: Dataset of the views over both.
        contexts: Context of each project's runs.
        query: Returns the rows of a query over that dataset.
    """

    names: list[str]
    dataset: str
    contexts: list[Context]
    query: Callable[[str], Rows]


@pytest.fixture
def projects(any_warehouse: Warehouse) -> Iterator[Projects]:
    """Twelve submissions in one project and twenty in the other, which hashes personal columns."""
    suffix = uuid.uuid4().hex[:6]
    names, dataset = [f"japan_{suffix}", f"korea_{suffix}"], f"all_{suffix}"
    policies: list[dict[str, str]] = [{}, {"direct": "hash", "quasi": "hash", "key": "p" * 40}]
    with ExitStack() as stack:
        contexts = [
            context_for(
                stack.enter_context(Emulator(generate(number, seed=number))).base_url,
                replace(any_warehouse.target, dataset=dataset_of(name)),
                projects=names,
                projects_dataset=dataset,
                privacy=policy,
            )
            for name, number, policy in zip(names, (12, 20), policies, strict=True)
        ]
        target = replace(any_warehouse.target, dataset=dataset)

        def query(statement: str) -> Rows:
            with open_read_only(target) as opened:
                return [tuple(row) for row in execute(opened.client, statement)]

        yield Projects(names, dataset, contexts, query)
    if any_warehouse.target.destination == "postgres":
        for name in (*map(dataset_of, names), dataset):
            drop_postgres(name)


def test_a_view_is_the_union_of_the_projects_tables(warehouse: Warehouse) -> None:
    """A missing column is NULL, a column of two types is text, and a missing table is left out."""
    settings = load_settings(
        {"api_key": "k" * 40, "projects": "japan,korea,china", "projects_dataset": "everything"}
    )
    with duckdb.connect(str(warehouse.target.file)) as connection:
        connection.execute("""
            CREATE SCHEMA argos_japan; CREATE SCHEMA argos_korea;
            CREATE TABLE argos_japan.submissions AS SELECT 'a' AS submission_id, 1 AS score;
            CREATE TABLE argos_korea.submissions AS
                SELECT 'b' AS submission_id, 'two' AS score, TRUE AS paid;
        """)
    with open_warehouse(replace(warehouse.target, dataset="argos_china")) as opened:
        version = update_project_views(opened, settings, "first")
        assert version not in (None, update_project_views(opened, settings, "second"))
        rows = execute_native(
            opened.client, "SELECT * FROM everything.submissions ORDER BY project"
        )
        assert [tuple(row) for row in rows] == [
            ("japan", "a", "1", None),
            ("korea", "b", "two", True),
        ]
        up_to_date = replace(opened, shared={"project_views": version})
        changed = "CREATE OR REPLACE VIEW everything.submissions AS SELECT 99 AS n"
        execute_native(opened.client, changed)
        assert update_project_views(up_to_date, settings, "first") == version
        rows = execute_native(opened.client, "SELECT * FROM everything.submissions")
        assert [tuple(row) for row in rows] == [(99,)]  # not created again
        drop_project_views(opened, settings)
        views = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'everything'"
        assert not execute_native(opened.client, views)
    with open_warehouse(warehouse.target) as opened:
        assert update_project_views(opened, settings, "first") is None


@pytest.mark.slow  # a first run of each project
def test_views_have_the_rows_of_all_projects(projects: Projects) -> None:
    """A row's key begins with the project's name; views for analysts cover all projects, too."""
    (japan, korea), (first, second) = projects.names, projects.contexts
    counts = "SELECT project, COUNT(DISTINCT submission_id) FROM {} GROUP BY project ORDER BY 1"
    sync(first)
    assert projects.query(counts.format("submissions")) == [(japan, 12)]
    sync(second)
    assert projects.query(counts.format("submissions")) == [(japan, 12), (korea, 20)]
    # A column that one project hashes is text in both.
    assert projects.query(counts.format("applicants")) == [(japan, 12), (korea, 20)]
    length_rows = projects.query(
        "SELECT project, MAX(LENGTH(date_of_birth)) FROM applicants GROUP BY 1"
    )
    lengths = {project: length for project, length in length_rows}  # noqa: C416 typed
    assert lengths[japan] == len("2000-01-31")
    assert lengths[korea] > 40
    ages = projects.query("SELECT project, SUM(submissions) FROM staleness GROUP BY 1 ORDER BY 1")
    assert ages == [(japan, 12), (korea, 20)]


@pytest.mark.slow
@pytest.mark.parametrize("any_warehouse", ["duckdb"], indirect=True)
def test_a_new_project_is_added_by_the_next_run(projects: Projects) -> None:
    """Any project's next run adds it; a run without changes leaves the views alone."""
    japan, korea = projects.names
    japan_only = replace(
        projects.contexts[0], settings=_with(projects.contexts[0], projects=[japan])
    )
    sync(projects.contexts[1])
    for night in range(2):
        sync(at(japan_only, NOW + timedelta(days=night)))
    in_views = "SELECT DISTINCT project FROM submissions ORDER BY 1"
    assert projects.query(in_views) == [(japan,)]
    loads = "SELECT COUNT(*) FROM _dlt_loads"
    load_counts = []
    for night in range(2, 5):
        sync(at(projects.contexts[0], NOW + timedelta(days=night)))
        with open_read_only(projects.contexts[0].target) as own:
            load_counts.append(execute(own.client, loads)[0][0])
    assert projects.query(in_views) == [(japan,), (korea,)]
    assert load_counts[2] - load_counts[1] == 1  # only the run's own package


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_a_project_can_replace_its_own_views(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL drops no view that another one reads, so the shared views are dropped first."""
    japan, korea = projects.names
    first, second = projects.contexts
    sync(first)
    sync(second)
    # A new version of sqlglot makes the views outdated.
    monkeypatch.setattr(view_updates, "version", lambda _: "another")
    sync(at(first, NOW + timedelta(days=1)))
    monkeypatch.undo()
    ages = projects.query("SELECT project, SUM(submissions) FROM staleness GROUP BY 1 ORDER BY 1")
    assert ages == [(japan, 12), (korea, 20)]
    with open_read_only(first.target) as own:
        version = own.state["views"]
    sync(at(first, NOW + timedelta(days=2)))
    with open_read_only(first.target) as own:
        assert own.state["views"] != version


@pytest.mark.slow
@pytest.mark.parametrize("any_warehouse", ["duckdb"], indirect=True)
def test_tables_in_the_shared_dataset_are_kept(
    projects: Projects, caplog: pytest.LogCaptureFixture
) -> None:
    """The run does not replace them, warns, and goes on."""
    context = projects.contexts[0]
    own = replace(context, target=replace(context.target, dataset=projects.dataset))
    sync(own)
    report = sync(context)
    assert report.submissions_new == 12
    assert "refused to create the views over all projects" in caplog.text
    assert projects.query("SELECT COUNT(*) FROM submissions") == [(12,)]


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"projects": "Japan"}, "projects"),
        ({"projects": "japan", "projects_dataset": "argos_japan"}, "projects_dataset"),
        ({"projects": "japan", "projects_dataset": "argos"}, "projects_dataset"),
    ],
)
def test_invalid_project_settings_are_refused(values: dict[str, str], setting: str) -> None:
    """A project name that is no section name, or a dataset that is a project's own."""
    with pytest.raises(ConfigurationError, match=rf"sources\.argos\.{setting} has a value"):
        load_settings({"api_key": "k" * 40, **values})


def _with(context: Context, **changed: Any) -> Any:
    """Return a context's settings with some changed."""
    settings = context.settings.copy()
    for key, value in changed.items():
        settings[key] = value
    return settings
