"""Several projects in one dataset: views over all their tables, with `project` as leading column.

Each project keeps a dataset of its own, and with it its state, its privacy policy and who was
forgotten: nothing of one can touch rows of another. Whoever asks about all of them reads views,
whose key is the table's with `project` before it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

from argos_sync.config import Settings, dataset_of
from argos_sync.load.errors import DatabaseException, error_kind
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.sql import Storage, tables_exist
from argos_sync.warehouse.views import replace_views, view_names

log = logging.getLogger("argos_sync")

PROJECT = "project"

_TEXT = "text"

_Columns = dict[str, str]
"""Columns of a table or view with dlt's types of them, in order."""


@dataclass(frozen=True, slots=True)
class ProjectGroup:
    """Which projects are seen as one.

    Attributes:
        projects: Their names.
        dataset: Where the views are.
    """

    projects: Sequence[str]
    dataset: str

    @classmethod
    def of(cls, warehouse: Warehouse, settings: Settings) -> Self | None:
        """Return with which others the project of a warehouse is seen; None for with none."""
        together = cls(settings.together, settings.projects_dataset)
        return together if warehouse.client.dataset_name in together.datasets.values() else None

    @property
    def datasets(self) -> dict[str, str]:
        """The dataset of each project."""
        return {project: dataset_of(project) for project in self.projects}


def update_project_views(warehouse: Warehouse, settings: Settings, views: str) -> str | None:
    """Make the views over all projects, unless they are there, of what they would be made of.

    A project that has no tables yet is left out; its own first run brings it in. A column that one
    project lacks is empty there, and one whose type differs, as where one project hashes what
    another does not, is text in all.

    Args:
        warehouse: Of the project that has been loaded.
        settings: Say which projects are seen as one.
        views: What `keep_views` remembers, which tells of the project's tables too.

    Returns:
        What to remember of this project; None where it is seen with no others.
    """
    together = ProjectGroup.of(warehouse, settings)
    remembered: str | None = warehouse.state.get("together")
    if together is None:
        return remembered
    names = _names(warehouse)
    wanted = blake2b(repr((together, views)).encode(), digest_size=8).hexdigest()
    try:
        with warehouse.storage as storage:
            if wanted != remembered or not _made(storage, together, names):
                _make(storage, together, names)
    except DatabaseException as error:
        log.warning(
            "the database refused to make the views over all projects (%s): see that the user may"
            " make the dataset %s and views in it, and that no table is there; the next run tries"
            " again",
            error_kind(error),
            together.dataset,
        )
        return remembered
    return wanted


def drop_project_views(warehouse: Warehouse, settings: Settings) -> None:
    """Drop the views over all projects, which keep PostgreSQL from dropping the project's own."""
    together = ProjectGroup.of(warehouse, settings)
    if together is None:
        return
    with (
        suppress(DatabaseException),
        warehouse.storage as storage,
        storage.sql_client.with_alternative_dataset_name(together.dataset) as client,
    ):
        if client.has_dataset():
            replace_views(client, {}, _names(warehouse))


def _names(warehouse: Warehouse) -> list[str]:
    return [*warehouse.contract.tables, *view_names()]


def _made(storage: Storage, together: ProjectGroup, names: Sequence[str]) -> bool:
    with storage.sql_client.with_alternative_dataset_name(together.dataset) as client:
        return tables_exist(client, names[:1])


def _make(storage: Storage, together: ProjectGroup, names: Sequence[str]) -> None:
    stored = {
        project: _columns(storage, dataset, names) for project, dataset in together.datasets.items()
    }
    made = {
        name: _query(storage, together, name, {p: of[name] for p, of in stored.items()})
        for name in names
        if any(of[name] for of in stored.values())
    }
    with storage.sql_client.with_alternative_dataset_name(together.dataset) as client:
        if not client.has_dataset():
            client.create_dataset()
        replace_views(client, made, names)


def _columns(storage: Storage, dataset: str, names: Sequence[str]) -> dict[str, _Columns]:
    """Return which columns tables and views of a dataset have; none for one that is not there."""
    with storage.sql_client.with_alternative_dataset_name(dataset):
        return {
            name: {column: hints.get("data_type") or _TEXT for column, hints in columns.items()}
            for name, columns in storage.get_storage_tables(names)
        }


def _query(
    storage: Storage, together: ProjectGroup, name: str, stored: Mapping[str, _Columns]
) -> str:
    client = storage.sql_client
    types: dict[str, str] = {}
    for columns in stored.values():
        for column, kind in columns.items():
            types[column] = kind if types.get(column, kind) == kind else _TEXT
    selects = []
    for project, columns in stored.items():
        if not columns:
            continue
        with client.with_alternative_dataset_name(together.datasets[project]):
            source = client.make_qualified_table_name(name)
        values = [
            _value(storage, column, columns.get(column), kind) for column, kind in types.items()
        ]
        listed = ", ".join([f"'{project}' AS {client.escape_column_name(PROJECT)}", *values])
        selects.append(f"SELECT {listed} FROM {source}")  # noqa: S608 names only
    return " UNION ALL ".join(selects)


def _value(storage: Storage, column: str, stored: str | None, wanted: str) -> str:
    """Return what stands for a column in the rows of one project."""
    name = storage.sql_client.escape_column_name(column)
    if stored == wanted:
        return name
    hints: Any = {"name": column, "data_type": wanted}
    table: Any = {"name": column, "columns": {column: hints}}
    kind = storage.type_mapper.to_destination_type(hints, table)
    return f"CAST({name if stored else 'NULL'} AS {kind}) AS {name}"
