"""Several projects in one dataset: what is asked of all of them at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.sync import sync
from argos_sync.config import dataset_of, load_settings
from argos_sync.emulator import Emulator, generate
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import execute
from argos_sync.run.context import Context
from argos_sync.warehouse import view_updates
from support import NOW, Warehouse, at, context_for, drop_postgres

Rows = list[tuple[Any, ...]]


@dataclass
class Projects:
    """Two projects with an API each.

    Attributes:
        names: What they are called.
        dataset: Where both are seen.
        contexts: What a run of each needs.
        query: Returns the rows of a query over that dataset.
    """

    names: list[str]
    dataset: str
    contexts: list[Context]
    query: Callable[[str], Rows]


@pytest.fixture
def projects(any_warehouse: Warehouse) -> Iterator[Projects]:
    """Twelve submissions in one project and twenty in the other, which hashes what is personal."""
    mark = uuid.uuid4().hex[:6]
    names, dataset = [f"japan_{mark}", f"korea_{mark}"], f"all_{mark}"
    privacy = [{}, {"direct": "hash", "quasi": "hash", "key": "p" * 40}]
    with ExitStack() as stack:
        contexts = [
            context_for(
                stack.enter_context(Emulator(generate(number, seed=number))).base_url,
                replace(any_warehouse.target, dataset=dataset_of(name)),
                projects=names,
                projects_dataset=dataset,
                privacy=modes,
            )
            for name, number, modes in zip(names, (12, 20), privacy, strict=True)
        ]
        target = replace(any_warehouse.target, dataset=dataset)

        def query(asked: str) -> Rows:
            with open_read_only(target) as seen:
                return [tuple(row) for row in execute(seen.client, asked)]

        yield Projects(names, dataset, contexts, query)
    if any_warehouse.target.destination == "postgres":
        for name in (*map(dataset_of, names), dataset):
            drop_postgres(name)


def test_all_projects_are_asked_at_once(projects: Projects) -> None:
    """Rows of each have its name before their key; views for analysts are there as well."""
    (japan, korea), (first, second) = projects.names, projects.contexts
    counted = "SELECT project, COUNT(DISTINCT submission_id) FROM {} GROUP BY project ORDER BY 1"
    sync(first)
    assert projects.query(counted.format("submissions")) == [(japan, 12)]
    sync(second)
    assert projects.query(counted.format("submissions")) == [(japan, 12), (korea, 20)]
    # What one of them hashes is text in both.
    assert projects.query(counted.format("applicants")) == [(japan, 12), (korea, 20)]
    kinds = projects.query("SELECT project, MAX(LENGTH(date_of_birth)) FROM applicants GROUP BY 1")
    assert dict(kinds)[japan] == len("2000-01-31")
    assert dict(kinds)[korea] > 40
    ages = projects.query("SELECT project, SUM(submissions) FROM staleness GROUP BY 1 ORDER BY 1")
    assert ages == [(japan, 12), (korea, 20)]


@pytest.mark.parametrize("any_warehouse", ["duckdb"], indirect=True)
def test_they_are_made_again_when_a_project_is_added(projects: Projects) -> None:
    """By the next run of any project; a run that knows of no change leaves them alone."""
    japan, korea = projects.names
    alone = replace(projects.contexts[0], settings=_with(projects.contexts[0], projects=[japan]))
    sync(projects.contexts[1])
    for night in range(2):
        sync(at(alone, NOW + timedelta(days=night)))
    seen = "SELECT DISTINCT project FROM submissions ORDER BY 1"
    assert projects.query(seen) == [(japan,)]
    loads = "SELECT COUNT(*) FROM _dlt_loads"
    counts = []
    for night in range(2, 5):
        sync(at(projects.contexts[0], NOW + timedelta(days=night)))
        with open_read_only(projects.contexts[0].target) as own:
            counts.append(execute(own.client, loads)[0][0])
    assert projects.query(seen) == [(japan,), (korea,)]
    assert counts[2] - counts[1] == 1  # the night's own


@pytest.mark.parametrize("any_warehouse", ["postgres"], indirect=True)
def test_they_do_not_keep_a_project_from_its_own_views(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL drops no view that another one reads; those over all go first, and come again."""
    japan, korea = projects.names
    first, second = projects.contexts
    sync(first)
    sync(second)
    # What a new version of sqlglot does to what is remembered.
    monkeypatch.setattr(view_updates, "version", lambda _: "another")
    sync(at(first, NOW + timedelta(days=1)))
    monkeypatch.undo()
    ages = projects.query("SELECT project, SUM(submissions) FROM staleness GROUP BY 1 ORDER BY 1")
    assert ages == [(japan, 12), (korea, 20)]
    with open_read_only(first.target) as own:
        remembered = own.state["views"]
    sync(at(first, NOW + timedelta(days=2)))
    with open_read_only(first.target) as own:
        assert own.state["views"] != remembered


@pytest.mark.parametrize("any_warehouse", ["duckdb"], indirect=True)
def test_a_dataset_in_the_way_is_left_alone(
    projects: Projects, caplog: pytest.LogCaptureFixture
) -> None:
    """Tables of somebody's are not views to be replaced; the run says so and goes on."""
    context = projects.contexts[0]
    own = replace(context, target=replace(context.target, dataset=projects.dataset))
    sync(own)
    report = sync(context)
    assert report.submissions_new == 12
    assert "refused to make the views over all projects" in caplog.text
    assert projects.query("SELECT COUNT(*) FROM submissions") == [(12,)]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"projects": "Japan"}, "projects"),
        ({"projects": "japan", "projects_dataset": "argos_japan"}, "projects_dataset"),
        ({"projects": "japan", "projects_dataset": "argos"}, "projects_dataset"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str], named: str) -> None:
    """A name that is no section's, or a dataset that has tables of its own."""
    with pytest.raises(ConfigurationError, match=rf"sources\.argos\.{named} has a value"):
        load_settings({"api_key": "k" * 40, **given})


def _with(context: Context, **changed: Any) -> Any:
    settings = context.settings.copy()
    for key, value in changed.items():
        settings[key] = value
    return settings
