"""PostgreSQL with the roles, settings and locks of a company."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.load.destinations.factory import make_destination
from argos_sync.load.destinations.postgres import session_options
from argos_sync.load.errors import DatabaseException, DestinationError
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import execute_native
from argos_sync.load.sqlstate import CONNECTIONS_OF_A_RUN
from support import (
    NOW,
    Warehouse,
    assert_equal,
    closed,
    context_for,
    postgres_address,
    postgres_administrator,
    postgres_database,
    postgres_warehouse,
)
from whole_lists import Emulator


@dataclass(frozen=True)
class Company:
    """A database with a role that may log in, and nothing else.

    `administrate` runs a statement in it as an administrator.
    """

    warehouse: Warehouse
    database: str
    role: str
    administrate: Callable[[str], None]


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A warehouse into which a role of the company loads."""
    with postgres_database() as database, postgres_administrator() as execute:
        role = f"{database}_loader"
        execute(f"CREATE ROLE {role} LOGIN PASSWORD 'word'")
        address = postgres_address(database)
        credentials = address.replace("postgres:postgres@", f"{role}:word@")
        monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", credentials)
        with closing(psycopg2.connect(address)) as connection:
            connection.autocommit = True
            administrate = connection.cursor().execute
            made = postgres_warehouse(tmp_path, "argos", address)
            yield Company(made, database, role, administrate)
            administrate(f"DROP OWNED BY {role} CASCADE")
        execute(f"DROP ROLE {role}")


def test_own_options_of_a_connection_stay() -> None:
    """A setting that the credentials name is not set twice; without blanks, which URLs change."""
    own = "-c statement_timeout=5min --timezone=Asia/Seoul -cwork_mem=1GB"
    options = session_options(own)
    assert " " not in options
    assert options.startswith(
        "-c\tstatement_timeout=5min\t--timezone=Asia/Seoul\t-cwork_mem=1GB\t-c"
    )
    assert options.count("statement_timeout=") == options.lower().count("timezone") == 1
    assert "-cclient_encoding=UTF8" in options
    assert session_options(options) == options


@pytest.mark.parametrize("name", ["postgres", "office"])
def test_every_connection_has_the_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a destination which the configuration gives a name; dlt's own type is stored."""
    variable = f"DESTINATION__{name.upper()}__"
    monkeypatch.setenv(f"{variable}DESTINATION_TYPE", "postgres")
    monkeypatch.setenv(f"{variable}CREDENTIALS", "postgresql://loader:word@db/kyc?sslmode=require")
    destination: Any = make_destination(name)
    settings = destination.configuration(destination.spec()._bind_dataset_name("argos"))
    assert settings.credentials.query["sslmode"] == "require"
    assert "-cstatement_timeout=0" in settings.credentials.query["options"]
    assert destination.destination_name == name
    assert destination.destination_type == "dlt.destinations.postgres"


SETTINGS = {
    "DateStyle": "German, DMY",
    "TimeZone": "Asia/Seoul",
    "client_encoding": "LATIN1",
    "statement_timeout": "20ms",
    "idle_in_transaction_session_timeout": "5ms",
    "idle_session_timeout": "1s",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "search_path": "pg_catalog",
}
"""What an administrator may have set for a role, more strictly than anybody would."""


EXPECTED = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
}
"""What argos-sync works with instead; the others do not matter."""


def set_for_role(company: Company) -> None:
    """Set everything for the role that an administrator may have set."""
    for name, value in SETTINGS.items():
        quoted = value if name == "search_path" else f"'{value}'"
        company.administrate(f"ALTER ROLE {company.role} SET {name} = {quoted}")


@pytest.mark.postgres
def test_a_session_has_settings_of_its_own(company: Company) -> None:
    """Also once dlt has reset it after an error."""
    company.administrate(f"GRANT CREATE ON DATABASE {company.database} TO {company.role}")
    set_for_role(company)
    with open_warehouse(company.warehouse.target) as opened:
        for _ in range(2):
            shown = {name: execute_native(opened.client, f"SHOW {name}")[0][0] for name in EXPECTED}
            assert shown == EXPECTED
            values = [r"김\민수'", NOW, NOW.date()]
            assert [*execute_native(opened.client, "SELECT %s, %s, %s", *values)[0]] == values
            with pytest.raises(DatabaseException):
                execute_native(opened.client, "SELECT nothing")


@pytest.mark.slow
@pytest.mark.postgres
def test_few_connections(company: Company) -> None:
    """The message says how many a run may need; with so many it succeeds."""
    company.administrate(f"GRANT CREATE ON DATABASE {company.database} TO {company.role}")
    needed = CONNECTIONS_OF_A_RUN
    with Emulator(generate(30, seed=3)) as api:
        context = context_for(api.base_url, company.warehouse.target)
        company.administrate(f"ALTER ROLE {company.role} CONNECTION LIMIT 2")
        with pytest.raises(
            DestinationError, match=rf"CONNECTION LIMIT .*a run needs up to {needed}\)"
        ):
            sync(context)
        company.administrate(f"ALTER ROLE {company.role} CONNECTION LIMIT {needed}")
        assert sync(context).submissions_new == 30


@pytest.mark.slow
@pytest.mark.postgres
def test_settings_of_the_role_do_not_matter(company: Company) -> None:
    """Rows are as they should be, for a role that may create tables in two schemas only."""
    role = company.role
    for schema in ("argos", "argos_staging"):
        company.administrate(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
    set_for_role(company)
    submissions = generate(30, seed=3, start=date(2025, 1, 1), end=date(2025, 1, 31))
    submissions = [closed(item) for item in submissions]
    submissions[0]["data"] = (submissions[0].get("data") or {}) | {"name": r"김\민수'"}
    with Emulator(submissions) as api:
        report = sync(context_for(api.base_url, company.warehouse.target))
    assert [check for check in report.checks if not check.passed] == []
    assert_equal(company.warehouse, submissions)
    assert company.warehouse.count("submissions_wide") == 30


@pytest.mark.postgres
def test_a_missing_privilege_is_named_with_its_remedy(company: Company) -> None:
    """Each statement that an error names is one that solves it."""
    remedies: list[str] = []
    company.administrate(f"ALTER ROLE {company.role} SET default_transaction_read_only = on")
    company.administrate("CREATE SCHEMA argos")
    while True:
        try:
            with open_warehouse(company.warehouse.target) as opened:
                assert opened.dataset == "argos"
            break
        except ConfigurationError as error:
            remedies.append(str(error).partition("administrator run: ")[2].partition(";")[0])
            company.administrate(remedies[-1])
    assert remedies == [
        f"ALTER ROLE {company.role} SET default_transaction_read_only = off",
        f'GRANT CREATE, USAGE ON SCHEMA "argos" TO {company.role}',
        f'CREATE SCHEMA "argos_staging" AUTHORIZATION {company.role}',
    ]


@pytest.mark.postgres
def test_the_documented_statements_are_enough(company: Company) -> None:
    """The role of the page may load, and the analysts of the page may read what it creates."""
    page = Path(__file__).parents[2] / "docs" / "destinations.md"
    block = page.read_text(encoding="utf-8").partition("```postgresql\n")[2].partition("```")[0]
    statements = block.partition("\n")[2]  # the role exists
    statements = statements.replace("loader", company.role).replace("analysts", "pg_monitor")
    company.administrate(statements)
    with open_warehouse(company.warehouse.target) as opened:
        execute_native(opened.client, "CREATE TABLE argos.few AS SELECT 1 AS n")
    right = "SELECT has_table_privilege('pg_monitor', 'argos.few', 'SELECT') AS reads"
    assert company.warehouse.query(right) == [{"reads": True}]


@pytest.mark.postgres
def test_staging_datasets_that_cannot_be_dropped_stay(company: Company) -> None:
    """A dump reads one and another user owns one; the first is dropped by the next run."""
    company.administrate(f"GRANT CREATE ON DATABASE {company.database} TO {company.role}")
    read, foreign = "argos_staging_20250101_00000001", "argos_staging_20250101_00000002"
    company.administrate(f"CREATE SCHEMA {read} AUTHORIZATION {company.role}")
    company.administrate(f"SET ROLE {company.role}; CREATE TABLE {read}.few (n INT); RESET ROLE")
    company.administrate(f"CREATE SCHEMA {foreign}; GRANT USAGE ON SCHEMA {foreign} TO PUBLIC")
    schemas = (
        "SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'argos_staging%' ORDER BY 1"
    )
    with closing(psycopg2.connect(postgres_address(company.database))) as dump:
        dump.cursor().execute(f"SELECT * FROM {read}.few")
        with open_warehouse(company.warehouse.target):
            left = company.warehouse.query(schemas)
    assert [row["name"] for row in left] == [read, foreign]
    with open_warehouse(company.warehouse.target):
        left = company.warehouse.query(schemas)
    assert [row["name"] for row in left] == [foreign]
