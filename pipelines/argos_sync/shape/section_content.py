"""Which columns show that a submission has a section, and which rows have values in them.

A section can come back empty in many forms: no row of its walk, `null`, `{}`, `[]`, or keys without
values. In each of them its tables have no value left besides keys and dates.
"""

from collections.abc import Collection
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.shape.contract import SUBMISSIONS, Table

GuardedSection = Literal["kyc", "aml", "data", "others", "attempts", "matches"]
"""A `request_type`, or a list in one of them."""

GUARDED_SECTIONS: frozenset[GuardedSection] = frozenset(get_args(GuardedSection))

SECTION_OF_TABLE: dict[str, GuardedSection] = {
    "kyc": "kyc",
    "aml": "aml",
    "applicants": "data",
    SUBMISSIONS: "others",
    "bank_verification": "others",
    "additional_answers": "others",
    "attempts": "attempts",
    "matches": "matches",
}
"""The tables whose rows show whether a submission has a section. Comments, retries and risk icons
are left out: many submissions have none."""

SECTION_OF_LIST: dict[str, GuardedSection] = {
    "additional_answers": "others",
    "attempts": "attempts",
    "attempt_retries": "attempts",
    "matches": "matches",
    "match_risk_icons": "matches",
}
"""The tables with a row per entry of a list that seldom gets shorter, and the section of the list.
Comments are left out: they come and go with every decision."""

LIST_OF_SECTION = {"kyc": "attempts", "aml": "matches"}
"""The guarded list in a section, which goes with it. Table and section have the same name."""

_IDENTITY = ("created_at", "updated_at")
"""Columns that an empty section still has."""
_PREFIXES = {"applicants": "data."}
"""API paths of the section's own columns, where its table has columns of another section."""


def value_columns(table: Table) -> tuple[str, ...]:
    """Return the columns of a guarded table that an empty section has no values for.

    `_extra` is not one of them: an error message in the place of a section is not its content.
    """
    prefix = _PREFIXES.get(table.name, "")
    columns = (column for column in table.api_columns if (column.path or "").startswith(prefix))
    return tuple(c.name for c in columns if c.name not in ("submission_id", *_IDENTITY))


def ids_with_values(rows: pa.Table | None, columns: Collection[str]) -> set[str]:
    """Return the submissions that have a value in one of these columns; none without rows."""
    present = [name for name in columns if rows is not None and name in rows.column_names]
    if rows is None or not present:
        return set()
    has_value = pc.is_valid(rows[present[0]])
    for name in present[1:]:
        has_value = pc.or_(has_value, pc.is_valid(rows[name]))
    return set(rows["submission_id"].filter(has_value).to_pylist())
