"""Render tables and views as a dbt source (https://docs.getdbt.com/reference/source-properties).

dbt's built-in tests take an SQL expression in place of a column, so keys of several columns need no
dbt package: the test reads them as one text. `meta` lists the columns of the key.

Values that the API adds are warnings: the API documents its lists, but may extend them any day, and
argos-sync loads the values as they are. Values of columns that argos-sync writes are errors.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from argos_sync.dictionary.references import Reference, find_references
from argos_sync.load.source import SOURCE
from argos_sync.shape.contract import SUBMISSIONS, Column, Contract, Table
from argos_sync.warehouse.views import View

SIGNATURE = "# dbt sources of argos-sync."
"""The first words of every file, by which `publish --dbt` knows what it may replace."""

_HEAD = f"""\
{SIGNATURE} %s
# Do not edit. Requires dbt 1.10.8 or newer. For another dataset or database, run dbt with
# `--vars '{{argos_dataset: argos_japan, argos_database: kyc}}'`.
"""

_FRESHNESS = {
    "loaded_at_field": "_synced_at",
    "freshness": {
        # One missed nightly sync plus two hours, then two missed syncs.
        "warn_after": {"count": 26, "period": "hour"},
        "error_after": {"count": 50, "period": "hour"},
    },
}


def render_sources(
    contract: Contract,
    views: Sequence[View],
    *,
    origin: str,
    dataset: str = SOURCE,
    database: str | None = None,
) -> str:
    """Return a dbt properties file with one source that has all tables and views.

    Args:
        contract: The tables and columns that exist.
        views: The views that exist, with the columns that exist.
        origin: A sentence for the head of the file that says what it was made of.
        dataset: Schema of the tables unless the variable `argos_dataset` names another.
        database: Their database unless `argos_database` names another; None is dbt's target.
    """
    by_table = {reference.table.name: reference for reference in find_references(contract)}
    source = {
        "name": SOURCE,
        "description": "KYC and AML submissions from ARGOS Identity, loaded by argos-sync.",
        "database": _variable("argos_database", repr(database) if database else "target.database"),
        "schema": _variable("argos_dataset", repr(dataset)),
        "loader": "argos-sync",
        "tables": [
            *(_table(table, by_table.get(table.name)) for table in contract.tables.values()),
            *map(_view, views),
        ],
    }
    return _HEAD % origin + dump({"version": 2, "sources": [source]})


def dump(document: dict[str, Any]) -> str:
    """Return a document as YAML, with keys in their order."""
    return yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _variable(name: str, default: str) -> str:
    return f"{{{{ var('{name}', {default}) }}}}"


def _table(table: Table, reference: Reference | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"primary_key": list(table.key)}
    if reference:
        meta["belongs_to" if reference.always else "written_by"] = {
            "table": reference.to.name,
            "columns": list(reference.columns),
        }
    tests = list(_key_tests(table, reference))
    return {
        "name": table.name,
        "description": table.description,
        "config": {"meta": meta} | (_FRESHNESS if table.name == SUBMISSIONS else {}),
        "columns": [_column(table, column, reference) for column in table.columns],
    } | ({"data_tests": tests} if tests else {})


def _key_tests(table: Table, reference: Reference | None) -> Iterable[dict[str, Any]]:
    """Yield the tests of keys that have several columns."""
    if len(table.key) > 1:
        yield _test("unique", f"{table.name}_key_is_unique", column_name=_as_text(table.key))
    if reference and reference.always and len(reference.columns) > 1:
        key = _as_text(reference.columns)
        to = f"source('{SOURCE}', '{reference.to.name}')"
        name = f"{table.name}_have_their_{reference.to.name}"
        yield _test("relationships", name, column_name=key, to=to, field=key)


def _as_text(columns: Iterable[str]) -> str:
    """Return an SQL expression that is unique for the values of several columns."""
    return " || '/' || ".join(f"cast({column} as text)" for column in columns)


def _column(table: Table, column: Column, reference: Reference | None) -> dict[str, Any]:
    tests: list[Any] = ["unique"] if table.key == (column.name,) else []
    tests += [] if column.nullable else ["not_null"]
    if column.known:
        severity = "error" if column.path is None else "warn"
        values = _test("accepted_values", None, severity=severity, values=list(column.known))
        tests.append(values)
    if reference and reference.always and reference.columns == (column.name,):
        to = f"source('{SOURCE}', '{reference.to.name}')"
        tests.append(_test("relationships", None, to=to, field=column.name))
    meta = {"type": column.type, "privacy": column.privacy}
    return {
        "name": column.name,
        "description": column.meaning,
        "config": {"meta": meta | ({"api_path": column.path} if column.path else {})},
    } | ({"data_tests": tests} if tests else {})


def _test(
    kind: str, name: str | None, *, severity: str = "error", **arguments: Any
) -> dict[str, Any]:
    """Return a generic test; dbt makes a name from its arguments if it is None."""
    test = {"name": f"{SOURCE}_{name}"} if name else {}
    warn = {"config": {"severity": severity}} if severity != "error" else {}
    return {kind: test | {"arguments": arguments} | warn}


def _view(view: View) -> dict[str, Any]:
    return {
        "name": view.name,
        "description": view.description,
        "config": {"meta": {"view": True}},
        "columns": [
            {"name": name, "description": meaning} for name, meaning in view.columns.items()
        ],
    }
