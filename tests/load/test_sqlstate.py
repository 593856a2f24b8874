"""Errors of database servers: judged by SQLSTATE and place, and none of their own text."""

import sqlite3
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.exceptions import DatabaseTransientException, DestinationConnectionError

from argos_sync.api.errors import ArgosError, ConfigurationError
from argos_sync.load.configuration_errors import configuration_fault
from argos_sync.load.errors import DestinationError, LoadError, destination_errors
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.sql import Client, execute_native
from argos_sync.load.target import Target, locate, make_pipeline
from support import PG, POSTGRES_PORT, postgres_administrator, postgres_dataset, require_postgres

OUTAGE, SETTING, REFUSAL = DestinationError, ConfigurationError, LoadError
NAME = "Kim Jihoon"

SQLSTATES = {
    "08006": (OUTAGE, "the connection to the destination failed or was lost"),
    "08004": (OUTAGE, "rejected the connection"),
    "25006": (OUTAGE, "the destination is read-only"),
    "28P01": (SETTING, "refused the user"),
    "28000": (SETTING, "refused the user"),
    "3D000": (SETTING, "the database does not exist"),
    "40001": (OUTAGE, "undid a transaction because of another one"),
    "40P01": (OUTAGE, "undid a transaction because of another one"),
    "42501": (SETTING, "lacks a privilege"),
    "42601": (REFUSAL, "the destination refused a statement"),
    "42703": (REFUSAL, "a column is missing"),
    "42883": (REFUSAL, "the destination refused a statement"),
    "42P01": (REFUSAL, "a table is missing"),
    "22P02": (REFUSAL, "the destination refused a statement"),
    "23505": (REFUSAL, "the destination refused a statement"),
    "53000": (OUTAGE, "too few resources"),
    "53100": (OUTAGE, "no space is left for the destination"),
    "53200": (OUTAGE, "no memory left"),
    "53300": (OUTAGE, "no connection left"),
    "55P03": (OUTAGE, "another session of the destination holds a lock"),
    "57014": (OUTAGE, "cancelled a statement"),
    "57P01": (OUTAGE, "ended the connection"),
    "57P02": (OUTAGE, "restarts after a crash"),
    "57P03": (OUTAGE, "starting or shutting down"),
    "58030": (OUTAGE, "cannot read or write its files"),
    "XX000": (REFUSAL, "the destination refused a statement"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a connected client of the local PostgreSQL server."""
    folder = tmp_path_factory.mktemp("sqlstate")
    with postgres_dataset() as dataset:
        target = Target("postgres", dataset, str(folder))
        with make_pipeline(target, folder).sql_client() as connected:
            yield connected


def error_of(client: Client, statement: str) -> ArgosError:
    """Return our error for a statement."""
    with pytest.raises(ArgosError) as raised, destination_errors():
        execute_native(client, statement)
    assert NAME not in str(raised.value)
    return raised.value


@pytest.mark.postgres
@pytest.mark.parametrize("code", SQLSTATES)
def test_a_server_reports(client: Client, code: str) -> None:
    """The class of our error, and with it the exit code, is by SQLSTATE, not by driver's class."""
    kind, words = SQLSTATES[code]
    error = error_of(client, f"DO $$BEGIN RAISE '{NAME}' USING ERRCODE = '{code}'; END$$")
    assert type(error) is kind
    assert words in error.message
    assert f"SQLSTATE {code})" in error.message


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "kind", "code"),
    [
        ("SELEC 1", REFUSAL, "42601"),
        ("SELECT no_function(1)", REFUSAL, "42883"),
        (f"SELECT CAST('{NAME}' AS integer)", REFUSAL, "22P02"),
        ("SELECT 1 FROM no_table", REFUSAL, "42P01"),
        ("SET statement_timeout = 1; SELECT pg_sleep(5)", OUTAGE, "57014"),
        ("SET transaction_read_only = on; CREATE TABLE t (i int)", OUTAGE, "25006"),
    ],
)
def test_a_statement_fails(
    client: Client, statement: str, kind: type[ArgosError], code: str
) -> None:
    """An SQL error is no outage: exit 1, with the class and the SQLSTATE."""
    error = error_of(client, statement)
    assert type(error) is kind
    assert f"SQLSTATE {code})" in error.message


@pytest.mark.postgres
def test_a_connection_that_the_server_has_ended(client: Client) -> None:
    """Libpq has no SQLSTATE then; whatever it says, the connection is lost."""
    with make_pipeline(Target("postgres"), Path()).sql_client() as ended:
        ((process,),) = execute_native(ended, "SELECT pg_backend_pid()")
        with postgres_administrator() as execute:
            execute(f"SELECT pg_terminate_backend({process})")
        error = error_of(ended, "SELECT 1")
    assert type(error) is OUTAGE
    assert "connection" in error.message


TEXTS = {
    'connection to server at "h", port 1 failed: FATAL:  password authentication failed for'
    ' user "kim"': (SETTING, "refused the user"),
    'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "kim"': (SETTING, "refused the user"),
    'FATAL:  role "kim" does not exist': (SETTING, "refused the user"),
    "fe_sendauth: no password supplied": (SETTING, "credentials lack the password"),
    'FATAL:  database "kim" does not exist': (SETTING, "the database does not exist"),
    'FATAL:  permission denied for database "kim"': (SETTING, "lacks a privilege"),
    "FATAL:  sorry, too many clients already": (OUTAGE, "has no connection left"),
    "FATAL:  the database system is starting up": (OUTAGE, "is starting or shutting down"),
    'could not translate host name "kim" to address': (OUTAGE, "host name of the destination"),
    "Connection refused\n\tIs the server running": (OUTAGE, "does not answer"),
    "timeout expired": (OUTAGE, "does not answer"),
    "server does not support SSL, but SSL was required": (SETTING, "no encrypted connection"),
    "SSL connection has been closed unexpectedly": (OUTAGE, "failed or was lost"),
    "어떤 다른 말": (OUTAGE, "the connection to the destination failed"),
}


@pytest.mark.parametrize("text", TEXTS, ids=[words for _, words in TEXTS.values()])
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_libpq_cannot_connect(text: str, *, is_wrapped: bool) -> None:
    """Its errors have no SQLSTATE while it connects, so its text is judged, and not repeated."""
    kind, words = TEXTS[text]
    error: Exception = psycopg2.OperationalError(text)
    if is_wrapped:
        error = DestinationConnectionError("Client", "argos", text, error)
    with pytest.raises(ArgosError) as raised, destination_errors():
        raise error
    assert type(raised.value) is kind
    assert words in raised.value.message
    assert "kim" not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.OperationalError('near "AT": syntax error'), REFUSAL),
        (sqlite3.OperationalError("no such function: TIMEZONE"), REFUSAL),
        (sqlite3.InterfaceError("closed"), OUTAGE),
        (psycopg2.OperationalError("SSL connection has been closed unexpectedly"), OUTAGE),
        (psycopg2.InterfaceError("connection already closed"), OUTAGE),
    ],
)
def test_a_driver_without_sqlstate(error: Exception, kind: type[ArgosError]) -> None:
    """An OperationalError can be anything, except libpq's, which has a SQLSTATE for all others."""
    with pytest.raises(ArgosError) as raised, destination_errors():
        raise DatabaseTransientException(error) from error
    assert type(raised.value) is kind
    assert type(error).__name__ in raised.value.message


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("user", "database", "message"),
    [
        ("postgres", "no_such_database", "the database does not exist in the destination"),
        ("no_such_user", "postgres", "the destination refused the user"),
    ],
)
def test_wrong_credentials(
    user: str, database: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry cannot help, so it is a setting that is wrong: exit 2."""
    require_postgres()
    address = f"postgresql://{user}:secret-word@127.0.0.1:{POSTGRES_PORT}/{database}"
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
    target = Target("postgres", pipelines_dir=str(tmp_path))
    for opened in (open_warehouse(target), open_read_only(target)):
        with pytest.raises(ConfigurationError, match=message) as raised, opened:
            pass
        assert "secret-word" not in str(raised.value)


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a new role that may log in and nothing else, whose credentials are configured."""
    require_postgres()
    name = f"argos_test_{uuid.uuid4().hex[:10]}"
    address = f"postgresql://{name}:x@127.0.0.1:{POSTGRES_PORT}/{PG.rpartition('/')[2]}"
    with postgres_administrator() as execute:
        execute(f"CREATE ROLE {name} LOGIN")
        try:
            monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", address)
            yield name
        finally:
            execute(f"DROP OWNED BY {name}")
            execute(f"DROP ROLE {name}")


VERSIONS = """CREATE TABLE {dataset}._dlt_version (version BIGINT, engine_version BIGINT,
    inserted_at TIMESTAMPTZ, schema_name TEXT, version_hash TEXT, schema TEXT)"""


@pytest.mark.parametrize(
    ("granted", "remedy"),
    [
        ((), "the owner of the dataset's tables"),
        (("GRANT ALL ON {dataset}._dlt_version TO {role}",), "USAGE and CREATE on the schemas"),
    ],
)
def test_a_missing_privilege(
    postgres_dataset: str, role: str, tmp_path: Path, granted: tuple[str, ...], remedy: str
) -> None:
    """It is named, by the kind of object that the server names, where no check has seen it."""
    made = (
        "CREATE SCHEMA {dataset}",
        "GRANT USAGE ON SCHEMA {dataset} TO {role}",
        "CREATE SCHEMA {dataset}_staging AUTHORIZATION {role}",
        VERSIONS,
    )
    with postgres_administrator() as execute:
        for statement in (*made, *granted):
            execute(statement.format(dataset=postgres_dataset, role=role))
    opened = open_warehouse(Target("postgres", postgres_dataset, str(tmp_path)))
    with pytest.raises(ConfigurationError, match=remedy) as raised, opened as warehouse:
        warehouse.load({}, lambda state: state.update(end_date="inclusive"))
    assert "SQLSTATE 42501" in raised.value.message


@pytest.mark.parametrize(
    ("name", "credentials", "message"),
    [
        (
            "postgres",
            "postgresql://me@host/kyc",
            "lacks password; set DESTINATION__POSTGRES__CREDENTIALS__PASSWORD, or password under [",
        ),
        ("postgres", "postgresql://me:secret@/kyc", "lacks host; set DESTINATION__POSTGRES__CRED"),
        ("snowflake", "snowflake://host", "lacks database; set DESTINATION__SNOWFLAKE__CRED"),
        ("clickhouse", None, "lacks host; set DESTINATION__CLICKHOUSE__CREDENTIALS__HOST, or"),
        ("databricks", None, "lacks catalog; set DESTINATION__DATABRICKS__CREDENTIALS__CATALOG"),
        ("motherduck", None, "lacks password; set DESTINATION__MOTHERDUCK__CREDENTIALS__PASSW"),
    ],
)
def test_the_missing_part_of_credentials_is_named(
    name: str, credentials: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting to give it by, and without the parts that are there."""
    if credentials:
        monkeypatch.setenv(f"DESTINATION__{name.upper()}__CREDENTIALS", credentials)
    with pytest.raises(ConfigurationError) as raised:
        locate(Target(name))
    assert message in str(raised.value)
    assert "secret@" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "driver", "credentials"),
    [
        ("snowflake", "snowflake", "snowflake://u:p@host/kyc"),
        ("clickhouse", "clickhouse_driver", "clickhouse://u:p@host:9000/kyc"),
    ],
)
def test_a_missing_driver_names_its_extra(
    name: str, driver: str, credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not always that of PostgreSQL."""
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.setenv(f"DESTINATION__{name.upper()}__CREDENTIALS", credentials)
    with pytest.raises(ConfigurationError, match=rf"pip install 'argos-sync\[{name}\]'"):
        locate(Target(name))


def test_a_missing_package_without_an_extra() -> None:
    """Then dlt's requirement is what to install."""
    fault = configuration_fault(MissingDependencyException("Credentials", ["dlt[az]", "adlfs"]))
    assert fault is not None
    assert fault.remedy == "run pip install 'dlt[az]' 'adlfs'"
