"""Errors of database servers by SQLSTATE, and by what libpq says when it cannot connect.

Servers classify errors by five characters, of which the first two are a class: PostgreSQL's
appendix "Error Codes". Their texts quote values, so they are never repeated; drivers give the code
apart from the text. libpq gives none when it cannot connect (psycopg2's `pgcode` is None), so there
the text decides which code of the appendix it would have been.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dlt.destinations.exceptions import DatabaseException

_CODE = re.compile(r"[0-9A-Z]{5}")

Kind = Literal["outage", "setting", "statement"]
"""The server fails or is busy; a setting of it or of ours is wrong; it refuses a statement."""

RUN_AGAIN = "run the command again; it resumes after the last committed chunk"

CONNECTIONS_OF_A_RUN = 8
"""The most that a run needs on PostgreSQL: five at once, as measured with CONNECTION LIMIT, and
those that it has closed and the server still counts."""

_CREDENTIALS = "its credentials (docs/destinations.md)"


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error says of the destination, and what to do about it."""

    kind: Kind
    problem: str
    remedy: str


LOST_CONNECTION = Fault(
    "outage",
    "the connection to the destination failed or was lost",
    f"check that the server runs and that the network reaches it, and {RUN_AGAIN}",
)

_FAULTS: Mapping[str, Fault] = {
    "08": LOST_CONNECTION,
    "08004": Fault(
        "outage",
        "the destination rejected the connection",
        "check the server's rules for clients, such as pg_hba.conf, and its log",
    ),
    "25006": Fault(
        "outage",
        "the destination is read-only",
        "connect to the primary instead of a replica, or turn default_transaction_read_only off"
        " for this user",
    ),
    "28": Fault(
        "setting",
        "the destination refused the user",
        f"check username and password in {_CREDENTIALS}, and that the server admits this user from"
        " this machine, such as in pg_hba.conf",
    ),
    "3D": Fault(
        "setting",
        "the database does not exist in the destination",
        f"create it, or correct the database in {_CREDENTIALS}",
    ),
    "40": Fault(
        "outage",
        "the destination undid a transaction because of another one",
        f"end the other program that writes these tables, and {RUN_AGAIN}",
    ),
    "42501": Fault(
        "setting",
        "the destination's user lacks a privilege",
        "grant CREATE on the database, and make the user the owner of the dataset, of its staging"
        " dataset and of their tables",
    ),
    "42P01": Fault(
        "statement",
        "a table is missing in the destination",
        "run the command again: a run first creates the tables that have been dropped",
    ),
    "42703": Fault(
        "statement",
        "a column is missing in the destination",
        "run the command again: a run first creates the columns that have been dropped",
    ),
    "53": Fault(
        "outage",
        "the destination has too few resources",
        f"look into the server's log, and {RUN_AGAIN}",
    ),
    "53100": Fault(
        "outage",
        "no space is left for the destination",
        f"free some where it keeps its files, and {RUN_AGAIN}",
    ),
    "53200": Fault(
        "outage",
        "the destination has no memory left",
        f"give the server more, or lower its work_mem, and {RUN_AGAIN}",
    ),
    "53300": Fault(
        "outage",
        "the destination has no connection left",
        "close other sessions, or raise max_connections, or the CONNECTION LIMIT of the role or of"
        f" the database (a run needs up to {CONNECTIONS_OF_A_RUN}), and {RUN_AGAIN}",
    ),
    "55P03": Fault(
        "outage",
        "another session of the destination holds a lock that this run needs",
        f"end that session (pg_locks shows its pid), and {RUN_AGAIN}",
    ),
    "57": LOST_CONNECTION,
    "57014": Fault(
        "outage",
        "the destination cancelled a statement, by its time limit or by an administrator",
        f"raise statement_timeout for this user, and {RUN_AGAIN}",
    ),
    "57P01": Fault(
        "outage",
        "the destination ended the connection: it shuts down, or an administrator ended it",
        f"check that the server runs, and {RUN_AGAIN}",
    ),
    "57P02": Fault(
        "outage",
        "the destination restarts after a crash",
        f"wait until the server accepts connections, and {RUN_AGAIN}",
    ),
    "57P03": Fault(
        "outage",
        "the destination is starting or shutting down",
        f"wait until the server accepts connections, and {RUN_AGAIN}",
    ),
    "58": Fault(
        "outage",
        "the destination cannot read or write its files",
        f"look into the server's log, check its disk, and {RUN_AGAIN}",
    ),
}
"""By SQLSTATE, or by its class."""

_PRIVILEGES = (
    ("database", "grant the user CREATE on the database: datasets are schemas in it"),
    (
        "schema",
        "grant the user USAGE and CREATE on the schemas of the dataset and of its staging dataset",
    ),
    (
        "table|relation|view|materialized view|sequence",
        "make the user the owner of the dataset's tables and views, which it changes",
    ),
    ("function|procedure", "grant the user EXECUTE on the server's functions"),
)
"""Kind of object in PostgreSQL's "permission denied for" or "must be owner of", and the remedy."""

_CONNECTING = (
    # A cursor that streams rows raises this as well.
    ("closed the connection unexpectedly|connection has been closed", LOST_CONNECTION),
    (
        "no password supplied",
        Fault(
            "setting",
            "the destination's credentials lack the password",
            f"set the password in {_CREDENTIALS}",
        ),
    ),
    ("authentication failed|role .* does not exist|not permitted to log in|pg_hba.conf", "28"),
    ("database .* does not exist", "3D"),
    (
        "permission denied for database",
        Fault(
            "setting",
            "the destination's user lacks a privilege",
            "grant the user CONNECT and CREATE on the database",
        ),
    ),
    ("connection slots|too many (clients|connections)", "53300"),
    ("starting up|shutting down|recovery mode|not yet accepting connections", "57P03"),
    (
        "could not translate host name",
        Fault(
            "outage",
            "the host name of the destination is unknown",
            f"check host in {_CREDENTIALS}, and the name server",
        ),
    ),
    (
        "Connection refused|timeout expired|timed out|No route to host|unreachable",
        Fault(
            "outage",
            "the destination does not answer",
            f"check that the server runs, host and port in {_CREDENTIALS}, and firewalls",
        ),
    ),
    (
        "SSL|certificate",
        Fault(
            "setting",
            "no encrypted connection to the destination can be agreed on",
            f"check sslmode and sslrootcert in {_CREDENTIALS}",
        ),
    ),
)
"""What libpq and the server say while connecting, and the SQLSTATE or the fault that it means.

A server may say it in another language: then the connection has failed, and no more is known.
"""


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of a driver's error; None if it has none."""
    for name in ("pgcode", "sqlstate"):  # psycopg2; psycopg 3, Snowflake and others
        code = getattr(error, name, None)
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return None


def server_fault(error: BaseException) -> Fault | None:
    """Return what a server's SQLSTATE means; None for codes without a remedy of their own."""
    code = sqlstate(error) or ""
    if code == "42501":
        return _privilege_fault(str(error))
    return _FAULTS.get(code) or _FAULTS.get(code[:2])


def connection_fault(error: BaseException) -> Fault:
    """Return what a driver's error without a SQLSTATE means that it raised while connecting."""
    for pattern, meaning in _CONNECTING:
        if re.search(pattern, str(error)):
            return meaning if isinstance(meaning, Fault) else _FAULTS[meaning]
    return LOST_CONNECTION


def is_disconnected(error: BaseException) -> bool:
    """Whether a statement's error without a SQLSTATE says that there is no connection any more.

    libpq gives no code when the server ends a connection. InterfaceError is that of the driver
    itself (PEP 249), such as on a closed connection. An OperationalError of another driver can be
    anything: SQLite's is raised for an SQL error.
    """
    if sqlstate(error):
        return False
    names = {base.__name__ for base in type(error).__mro__}
    is_libpq = type(error).__module__.partition(".")[0] == "psycopg2"
    return "InterfaceError" in names or (is_libpq and "OperationalError" in names)


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's error inside dlt's, or the error itself."""
    return error.dbapi_exception if isinstance(error, DatabaseException) else error


def _privilege_fault(text: str) -> Fault:
    """Return the fault with the privilege that is missing, as far as the server's text tells."""
    general = _FAULTS["42501"]
    for kinds, remedy in _PRIVILEGES:
        if re.search(rf"(?:permission denied for|must be owner of) (?:{kinds})\b", text):
            return Fault(general.kind, general.problem, remedy)
    return general
