"""dlt's PostgreSQL destination, with sessions that a role's own settings do not disturb.

A company sets time limits, time zones and formats for its roles and databases (`ALTER ROLE … SET`).
They are meant for people; with some of them loads end in the middle, or dates are read wrongly.
What the loading role may do is checked before a run begins.
"""

import re

from dlt.destinations import postgres
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.sql import Client, dialect_of, execute_native

_SETTINGS = {
    # As pg_dump does: a run is bounded by its chunks, not by the time of a statement.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    # A load waits for somebody who creates an index or changes rows, but not for ever. dlt tries
    # it five times.
    "lock_timeout": "20s",
    "timezone": "UTC",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    # Otherwise the server's names of types come in quotation marks.
    "quote_all_identifiers": "off",
}
"""Settings of all sessions. dlt resets its connections (`RESET ALL`), which leaves only settings
that are part of the connection. All of them exist in every supported version of PostgreSQL."""

_LATER_SETTINGS = ("idle_session_timeout", "transaction_timeout")
"""Limits of PostgreSQL 14 and 17; earlier servers refuse a connection that sets them."""


class Postgres(postgres):
    """dlt's PostgreSQL destination with the override below."""

    @property
    def destination_type(self) -> str:
        """Return dlt's own name, which is stored in warehouses."""
        return "dlt.destinations.postgres"

    def configuration(
        self, initial_config: PostgresClientConfiguration, accept_partial: bool = False
    ) -> PostgresClientConfiguration:
        """Return the configuration, with the settings of sessions in the credentials.

        dlt 1.31 has an option for the time zone alone (`session_timezone`). A setting that the
        user's own credentials name (`?options=-c%20statement_timeout=5min`) stays. Can go once a
        default of `credentials.query` can be set through a configuration provider.
        """
        config = super().configuration(initial_config, accept_partial)
        credentials = config.credentials
        if credentials is not None and credentials.is_resolved():
            query = dict(credentials.query or {})
            credentials.query = query | {"options": session_options(str(query.get("options", "")))}
        return config


def session_options(own: str) -> str:
    """Return the user's own options of a connection, and a setting for each that they do not name.

    Tabs separate them: in a URL, dlt writes a blank as `+`, which libpq does not read as one.
    """
    named = {name.lower() for name in re.findall(r"(?:-c\s*|--)(\w+)\s*=", own)}
    defaults = [f"-c{name}={value}" for name, value in _SETTINGS.items() if name not in named]
    return "\t".join([*own.split(), *defaults])


def lift_time_limits(client: Client, *, waits_for_locks: bool = False) -> None:
    """Keep the server from ending a session that waits for the next chunk, if it is PostgreSQL.

    The client is connected, and connects once more if there are limits. One that only takes
    advisory locks waits for them without a limit.
    """
    if dialect_of(client) != "postgres":
        return
    query = "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting <> '0'"
    limits = execute_native(client, query, list(_LATER_SETTINGS))
    names = [name for (name,) in limits] + ["lock_timeout"] * waits_for_locks
    if names:
        settings = client.credentials.query or {}
        options = [settings.get("options", ""), *(f"-c{name}=0" for name in names)]
        client.credentials.query = settings | {"options": "\t".join(options)}
        client.close_connection()
        client.open_connection()


def check_privileges(client: Client) -> None:
    """Check that the user may create tables in a dataset, and stage rows to be merged.

    A user who may create schemas can make staging datasets; for all others an administrator makes
    the one that dlt names after the dataset. Datasets in which dlt has made its tables before are
    taken to be complete. Only PostgreSQL is asked.

    Raises:
        ConfigurationError: The session is read-only, or the user lacks a privilege; it names the
            statement that grants it.
    """
    if dialect_of(client) != "postgres":
        return
    (row,) = execute_native(
        client,
        "SELECT quote_ident(current_user), quote_ident(current_database()), pg_is_in_recovery(),"
        " current_setting('transaction_read_only') = 'on',"
        " has_database_privilege(current_database(), 'CREATE')",
    )
    user, database, is_standby, is_read_only, may_create = row
    if is_standby:
        raise ConfigurationError(
            "the PostgreSQL server is a standby, which cannot be written to",
            "name the primary server in DESTINATION__POSTGRES__CREDENTIALS",
        )
    if is_read_only:
        raise ConfigurationError(
            f"the sessions of user {user} are read-only (default_transaction_read_only)",
            f"name another user, or have an administrator run: ALTER ROLE {user} SET"
            " default_transaction_read_only = off",
        )
    schemas = [client.fully_qualified_dataset_name(quote=False)]
    if not may_create:
        schemas.append(client.fully_qualified_dataset_name(quote=False, staging=True))
    rows = execute_native(
        client,
        "SELECT nspname, has_schema_privilege(oid, 'USAGE') AND"
        " (has_schema_privilege(oid, 'CREATE') OR EXISTS (SELECT 1 FROM pg_class"
        " WHERE relnamespace = n.oid AND relname = '_dlt_version'))"
        " FROM pg_namespace AS n WHERE nspname = ANY(%s)",
        schemas,
    )
    usable: dict[str, bool] = {name: allowed for name, allowed in rows}  # noqa: C416 typed
    for schema in schemas:
        name = client.escape_column_name(schema, casefold=False)
        if schema in usable and not usable[schema]:
            raise ConfigurationError(
                f"the user {user} may not create tables in the schema {name}",
                f"have an administrator run: GRANT CREATE, USAGE ON SCHEMA {name} TO {user}",
            )
        if schema not in usable and not may_create:
            raise ConfigurationError(
                f"the user {user} may not create the schema {name}",
                f"have an administrator run: CREATE SCHEMA {name} AUTHORIZATION {user};"
                f" or GRANT CREATE ON DATABASE {database} TO {user}",
            )
