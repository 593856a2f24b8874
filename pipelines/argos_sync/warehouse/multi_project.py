"""Create views over the tables of several projects, with `project` as leading column.

Each project has a dataset of its own, and with it its own state, privacy policy and suppression
list, so that a run of one project never touches rows of another. Queries over all projects read
views, whose key is the table's key with `project` before it.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from argos_sync.config import Settings, dataset_of
from argos_sync.load.ddl import RelationsInUseError
from argos_sync.load.errors import DatabaseException, error_kind
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.sql import Storage, tables_exist
from argos_sync.load.view_access import ViewAccess
from argos_sync.warehouse.view_updates import replace_views
from argos_sync.warehouse.views import view_names

log = logging.getLogger("argos_sync")

PROJECT = "project"

_TEXT = "text"

_Columns = dict[str, str]
"""Columns of a table or view, in order, with dlt's name for the type of each."""


def update_project_views(
    warehouse: Warehouse,
    settings: Settings,
    views_version: str,
    access: Mapping[str, ViewAccess] | None = None,
) -> str | None:
    """Create the views over all projects, unless they exist and are up to date.

    A project without tables is left out until its own first run. A column that a project lacks is
    NULL in its rows. A column whose type differs between projects, for example because only one of
    them hashes it, is text in all.

    `views_version` is the return value of `update_views`, which changes with the project's tables;
    `access` is that of `drop_project_views`, if they were dropped.
    Return the version of these views, to keep in the project's state; None if the project shares
    views with no others.
    """
    datasets, views_dataset = _datasets_of(warehouse, settings), settings.projects_dataset
    previous: str | None = warehouse.state.get("project_views")
    if not datasets:
        return previous
    names = _shared_names(warehouse)
    basis = repr((datasets, views_dataset, views_version))
    current = blake2b(basis.encode(), digest_size=8).hexdigest()
    try:
        with warehouse.storage as storage:
            with storage.sql_client.with_alternative_dataset_name(views_dataset) as client:
                is_current = current == previous and tables_exist(client, names[:1])
            if not is_current:
                _create_views(storage, datasets, views_dataset, names, access)
    except RelationsInUseError as error:
        log.warning("the views over all projects wait for the next run: %s", error.message)
        return previous
    except DatabaseException as error:
        log.warning(
            "the database refused to create the views over all projects (%s): check that the user"
            " may create the dataset %s and views in it, and that it contains no tables; the next"
            " run tries again",
            error_kind(error),
            views_dataset,
        )
        return previous
    return current


def drop_project_views(warehouse: Warehouse, settings: Settings) -> dict[str, ViewAccess]:
    """Drop the views over all projects, because PostgreSQL drops no view that another one reads.

    Returns:
        Who could use them, for `update_project_views`.

    Raises:
        RelationsInUseError: Transactions of others use them; they stay.
    """
    if not _datasets_of(warehouse, settings):
        return {}
    with (
        suppress(DatabaseException),
        warehouse.storage as storage,
        storage.sql_client.with_alternative_dataset_name(settings.projects_dataset) as client,
    ):
        if client.has_dataset():
            return replace_views(client, {}, _shared_names(warehouse))
    return {}


def _datasets_of(warehouse: Warehouse, settings: Settings) -> dict[str, str]:
    """Return the dataset of each project that shares views; none if this one shares no views."""
    datasets = {project: dataset_of(project) for project in settings.project_names}
    return datasets if warehouse.client.dataset_name in datasets.values() else {}


def _shared_names(warehouse: Warehouse) -> list[str]:
    """Return the names of all tables and views that projects share."""
    return [*warehouse.contract.tables, *view_names()]


def _create_views(
    storage: Storage,
    datasets: Mapping[str, str],
    views_dataset: str,
    names: Sequence[str],
    access: Mapping[str, ViewAccess] | None,
) -> None:
    columns = {
        project: _columns_of(storage, dataset, names) for project, dataset in datasets.items()
    }
    queries: dict[str, str] = {}
    for name in names:
        existing = {project: of[name] for project, of in columns.items() if of[name]}
        if existing:
            queries[name] = _union_query(storage, datasets, name, existing)
    with storage.sql_client.with_alternative_dataset_name(views_dataset) as client:
        if not client.has_dataset():
            client.create_dataset()
        replace_views(client, queries, names, access=access)


def _columns_of(storage: Storage, dataset: str, names: Sequence[str]) -> dict[str, _Columns]:
    """Return the columns of a dataset's tables and views; none for one that does not exist."""
    with storage.sql_client.with_alternative_dataset_name(dataset):
        return {
            name: {column: hints.get("data_type") or _TEXT for column, hints in columns.items()}
            for name, columns in storage.get_storage_tables(names)
        }


def _union_query(
    storage: Storage,
    datasets: Mapping[str, str],
    name: str,
    columns_by_project: Mapping[str, _Columns],
) -> str:
    """Return the query of a view over one table of the projects that have it."""
    client = storage.sql_client
    types: dict[str, str] = {}
    for columns in columns_by_project.values():
        for column, data_type in columns.items():
            types[column] = data_type if types.get(column, data_type) == data_type else _TEXT
    selects = []
    for project, columns in columns_by_project.items():
        with client.with_alternative_dataset_name(datasets[project]):
            table = client.make_qualified_table_name(name)
        values = [
            _column_as(storage, column, columns.get(column), data_type)
            for column, data_type in types.items()
        ]
        expressions = ", ".join([f"'{project}' AS {client.escape_column_name(PROJECT)}", *values])
        selects.append(f"SELECT {expressions} FROM {table}")  # noqa: S608 names only
    return " UNION ALL ".join(selects)


def _column_as(storage: Storage, column: str, stored_type: str | None, data_type: str) -> str:
    """Return a column of one project cast to a type; NULL if the project lacks the column."""
    name = storage.sql_client.escape_column_name(column)
    if stored_type == data_type:
        return name
    hints: Any = {"name": column, "data_type": data_type}
    table: Any = {"name": column, "columns": {column: hints}}
    native_type = storage.type_mapper.to_destination_type(hints, table)
    return f"CAST({name if stored_type else 'NULL'} AS {native_type}) AS {name}"
