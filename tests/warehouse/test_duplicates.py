"""What the view `duplicates` answers under each privacy mode."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from argos_sync.load.sql import Client
from argos_sync.shape.contract import SUBMISSIONS, load_contract, schemas_folder
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.view_updates import update_views
from support import Warehouse
from warehouse.direct import connected

pytestmark = pytest.mark.tables_made

KEY = "a secret that is long enough"
NOW = datetime(2025, 3, 1, tzinfo=UTC)
PEOPLE: list[dict[str, Any]] = [
    # One person with two e-mail addresses.
    {"applicant_id": "p1", "email": "a@x.org", "data": {"name": "Kim", "documentNumber": "M1"}},
    {"applicant_id": "p1", "email": "b@x.org", "data": {"name": "Kim", "documentNumber": "M1"}},
    # A user with two names and two numbers, and an e-mail address in one submission only.
    {"userid": "u1", "email": "c@x.org", "data": {"full_name": "Lee A", "identityNumber": "1"}},
    {"userid": "u1", "data": {"full_name": "Lee B", "identityNumber": "2"}},
    # The same details; names and numbers are in different fields.
    {
        "duplicated_information": "d1",
        "email": "d@x.org",
        "data": {"name": "Park", "documentNumber": "3"},
    },
    {
        "duplicated_information": "d1",
        "email": "d@x.org",
        "data": {"full_name": "Park", "identityNumber": "3"},
    },
]
WITH_VALUES = {
    "applicant": (False, True, False),
    "details": (None, False, None),
    "user": (True, None, True),
}
"""Whether names, e-mail addresses and documents differ, by kind of group."""


def insert_people(client: Client, policy: PrivacyPolicy) -> None:
    """Insert the protected rows of people into tables without the columns that are dropped."""
    items = [
        one | {"submission_id": f"s{number}", "created_at": f"2025-01-0{number + 1}"}
        for number, one in enumerate(PEOPLE)
    ]
    shaped = shape_submissions(items, ["hash"] * len(items), NOW).tables
    for name in (SUBMISSIONS, "applicants"):
        table = client.make_qualified_table_name(name)
        kept = policy.contract[name].columns_by_name
        for column in load_contract()[name].columns_by_name.keys() - kept.keys():
            client.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column} CASCADE")
        for row in policy.protect(name, shaped[name]).to_pylist():
            values = {column: value for column, value in row.items() if value is not None}
            places = ", ".join(["%s"] * len(values))
            insert = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"
            client.execute_sql(insert, *values.values())


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        pytest.param({}, WITH_VALUES, id="plain"),
        pytest.param({"direct": "hash", "quasi": "hash"}, WITH_VALUES, id="hash"),
        pytest.param({"direct": "encrypt", "quasi": "encrypt"}, WITH_VALUES, id="encrypt"),
        pytest.param({"direct": "drop"}, {"applicant": (None, None, None)}, id="drop"),
        pytest.param(
            {
                "direct": "encrypt",
                "columns": {"applicants.email": "drop", "submissions.userid": "drop"},
            },
            {"applicant": (False, None, False), "details": (None, None, None)},
            id="columns",
        ),
    ],
)
def test_groups_are_compared_under_each_privacy_mode(
    any_warehouse: Warehouse,
    tmp_path: Path,
    privacy: dict[str, Any],
    expected: dict[str, tuple[bool | None, ...]],
) -> None:
    """Hashed and encrypted values answer as plain ones do; what is dropped is not compared."""
    policy = PrivacyPolicy.from_settings(**privacy, key=KEY)
    shutil.copy(schemas_folder() / "views" / "duplicates.sql", tmp_path)
    with connected(any_warehouse) as client:
        insert_people(client, policy)
        assert update_views(client, None, tmp_path, policy.contract)
    rows = any_warehouse.query("SELECT * FROM duplicates ORDER BY submission_id")
    assert [row["place"] for row in rows] == [1, 2] * len(expected)
    differ = ("names_differ", "emails_differ", "documents_differ")
    assert {row["same"]: tuple(row[name] for name in differ) for row in rows} == expected
