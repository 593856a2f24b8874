"""The tables as sources of a dbt project (https://docs.getdbt.com/reference/source-properties).

dbt's own tests look at one column. Where the key of a submission's table has several, that is dlt's
`_dlt_id`, made of them (`load.hints`), so no package is needed; which they are says `meta`.
"""

from __future__ import annotations

from typing import Any

import yaml

from argos_sync.dictionary.references import Reference, find_references
from argos_sync.load.hints import ROW_KEY, has_own_key
from argos_sync.load.source import SOURCE
from argos_sync.shape.contract import SUBMISSIONS, Column, Contract, Table

_HEAD = """\
# Made by `make schema` from schemas/*.yaml: change those. For dbt 1.10.5 or newer: copy it into the
# models of your project; another dataset is `dbt --vars 'argos_dataset: argos_japan'`.
"""

_FRESHNESS = {
    "loaded_at_field": "_synced_at",
    "freshness": {
        # A night, and two hours for it to end; then two nights.
        "warn_after": {"count": 26, "period": "hour"},
        "error_after": {"count": 50, "period": "hour"},
    },
}


def render_sources(contract: Contract) -> str:
    """Return a dbt properties file with one source, which has all tables."""
    refer = {one.table.name: one for one in find_references(contract)}
    source = {
        "name": SOURCE,
        "description": "KYC and AML submissions from ARGOS Identity, brought by argos-sync.",
        "schema": f"{{{{ var('argos_dataset', '{SOURCE}') }}}}",
        "loader": "argos-sync",
        "tables": [_table(one, refer.get(one.name)) for one in contract.tables.values()],
    }
    document = {"version": 2, "sources": [source]}
    return _HEAD + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _table(table: Table, reference: Reference | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"primary_key": list(table.key)}
    if reference:
        meta["belongs_to" if reference.always else "written_by"] = {
            "table": reference.to.name,
            "columns": list(reference.columns),
        }
    columns = [_column(table, column) for column in table.columns]
    if table.belongs_to_submission and not has_own_key(table):
        said = f"Made of the key: {', '.join(table.key)}"
        columns.append({"name": ROW_KEY, "description": said, "data_tests": ["unique", "not_null"]})
    return {
        "name": table.name,
        "description": table.description,
        "config": {"meta": meta} | (_FRESHNESS if table.name == SUBMISSIONS else {}),
        "columns": columns,
    }


def _column(table: Table, column: Column) -> dict[str, Any]:
    tests: list[Any] = ["unique"] if table.key == (column.name,) else []
    tests += [] if column.nullable else ["not_null"]
    if table.belongs_to_submission and column.name == "submission_id":
        to = {"to": f"source('{SOURCE}', '{SUBMISSIONS}')", "field": column.name}
        tests.append({"relationships": {"arguments": to}})
    meta = {"type": column.type, "privacy": column.privacy}
    return {
        "name": column.name,
        "description": column.meaning,
        "config": {"meta": meta | ({"api_path": column.path} if column.path else {})},
    } | ({"data_tests": tests} if tests else {})
