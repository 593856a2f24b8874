"""Find values and API fields that the contract does not know, without showing personal data."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from argos_sync.load.sql import Client, select
from argos_sync.shape.contract import ISSUES, RUNS, Column, Table
from argos_sync.shape.frames import general_path
from argos_sync.shape.tables import UNKNOWN_FIELD
from argos_sync.warehouse.submissions import HAS_CHANGED, select_changed

_MAX_VALUES = 1_000


def unknown_values(
    client: Client, tables: Sequence[Table], since: datetime | None
) -> Iterator[tuple[str, set[str]]]:
    """Yield each enumeration column, and its values that the contract does not know.

    Only submissions that have changed since a time (UTC) are read; None reads all rows.
    """
    condition = "1 = 1" if since is None else HAS_CHANGED
    columns = {
        f"{table.name}.{column.name}": (table, column)
        for table in tables
        for column in table.columns
        if column.known
    }
    selects = " UNION ALL ".join(
        f"SELECT '{place}' AS place, {column.name} AS new_value FROM {table.name}"  # noqa: S608 ours
        f" WHERE LOWER({column.name}) NOT IN {tuple(map(str.lower, column.known))}"
        f" AND {condition} GROUP BY {column.name}"
        for place, (table, column) in columns.items()
    )
    query = f"SELECT place, new_value FROM ({selects}) AS q ORDER BY 1, 2 LIMIT {_MAX_VALUES}"  # noqa: S608 ours
    rows = select_changed(client, query, since) if columns else ()
    for place, (_, column) in columns.items():
        yield place, {_mask(column, value) for value_place, value in rows if value_place == place}


def unknown_fields(client: Client, since: datetime | None) -> set[str]:
    """Return the paths of API fields that the contract does not know.

    Only issues of runs that began since a time (UTC) are read; None reads all.
    """
    condition, parameters = "1 = 1", []
    if since is not None:
        runs = f"SELECT run_id FROM {RUNS} WHERE started_at >= ?"  # noqa: S608 a name
        condition, parameters = f"run_id IN ({runs})", [since]
    query = f"SELECT DISTINCT path FROM {ISSUES} WHERE problem = '{UNKNOWN_FIELD}' AND {condition}"  # noqa: S608 ours
    return {general_path(path) for (path,) in select(client, query, *parameters)}


def _mask(column: Column, value: str) -> str:
    """Return a value of an enumeration, or `*` if it may be personal data.

    A value is shown if it is a single word without digits, or several words of which one is part of
    a known value, as in the levels of a risk.
    """
    if not column.named or not re.fullmatch(r"[A-Za-z][A-Za-z_ -]{0,31}", value):
        return "*"
    words, known_words = ({*text.lower().split()} for text in (value, " ".join(column.known)))
    return value if " " not in value or words & known_words else "*"
