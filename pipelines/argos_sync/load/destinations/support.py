"""Which destinations keep the promises, as data: supported, tried or refused.

`factory` acts on it before anything is connected or written, and `make schema` writes the
tables of docs/destinations.md from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.destinations.promises import Promise

Status = Literal["supported", "tried"]

ALLOW_UNTRIED = (
    "pass --allow-untried, or set sources.argos.orchestration.allow_untried in Dagster, to load"
    " there all the same; duckdb, postgres and ducklake keep every promise"
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A destination that can be written to.

    Attributes:
        status: Supported if the test suite runs on a real server of it; else tried.
        tested: What the tests do there.
        chunk: Whether a chunk is one transaction.
        gaps: Known limitations, each a clause without a final period.
        extra: Whether the extra of its name installs a driver.
        suite: What the promise suite runs on; None if it does not run.
        broken: The promises that do not hold there, each with the reason, a clause as in `gaps`.
            The suite expects exactly these to fail.
    """

    status: Status
    tested: str
    chunk: str
    gaps: tuple[str, ...] = ()
    extra: bool = True
    suite: str | None = None
    broken: Mapping[Promise, str] = field(default_factory=dict)

    @property
    def limitations(self) -> list[str]:
        """All that is known not to hold there, each reason once."""
        return list(dict.fromkeys((*self.gaps, *self.broken.values())))


@dataclass(frozen=True, slots=True)
class Refused:
    """A destination that cannot keep the promises; the instead is the nearest one that can."""

    reason: str
    instead: str


_ONE_TRANSACTION = "one transaction"
_TRANSACTION_A_STATEMENT = "one transaction per statement"

_ALL_PROMISES = "all promises, on a real database"
_TRANSLATED = "its SQL is translated and checked; no test has run there"

_CLOCKS = "the lease may end by the clocks of the machines, which must agree"
_TIME_TRAVEL = "`forget` leaves what time travel or snapshots keep"
_HALF_SUBMISSIONS = (
    "readers may see a submission without its rows for a moment, and after a crash until the next"
    " run"
)
_DATES_OF_CLICKHOUSE = (
    "dates before 1900 and after 2299 stop a run before version 26.9, and after it cannot be read"
    " through its Python driver"
)
_CLUSTER = (
    "no test has run on a cluster, where two runs that begin in the same moment may not be kept"
    " apart"
)

ACCEPTED: Mapping[str, Accepted] = {
    "duckdb": Accepted("supported", _ALL_PROMISES, _ONE_TRANSACTION, extra=False, suite="a file"),
    "postgres": Accepted(
        "supported",
        _ALL_PROMISES,
        _ONE_TRANSACTION,
        ("`forget` leaves dead rows to `VACUUM`",),
        suite="a server",
    ),
    "ducklake": Accepted(
        "supported",
        "all promises, with its catalog in PostgreSQL and its files in a stand-in for S3",
        _ONE_TRANSACTION,
        (
            _CLOCKS,
            "`forget` leaves dead rows of the catalog in PostgreSQL to `VACUUM`",
            "`forget` ends time travel, and queries of readers that use an old snapshot may fail",
        ),
        suite="PostgreSQL and S3 (moto)",
    ),
    "motherduck": Accepted(
        "tried",
        _TRANSLATED,
        _ONE_TRANSACTION,
        (_CLOCKS, _TIME_TRAVEL),
    ),
    "snowflake": Accepted(
        "tried",
        "tables and views, on fakesnow, with the answers of all views; no test has loaded there",
        _ONE_TRANSACTION,
        (_TIME_TRAVEL,),
    ),
    "redshift": Accepted(
        "tried",
        _TRANSLATED,
        _ONE_TRANSACTION,
        (_TIME_TRAVEL,),
    ),
    "databricks": Accepted(
        "tried",
        _TRANSLATED,
        _TRANSACTION_A_STATEMENT,
        (
            _TIME_TRAVEL,
            _HALF_SUBMISSIONS,
            "an erasure is not one transaction either: repeat it if it fails",
        ),
    ),
    "clickhouse": Accepted(
        "tried",
        "the promise suite, on its embedded engine",
        _TRANSACTION_A_STATEMENT,
        (
            _DATES_OF_CLICKHOUSE,
            _CLUSTER,
            _TIME_TRAVEL,
            "updates rewrite whole parts, so set `sweep_days` to a large number",
        ),
        suite="chdb",
        broken={Promise.WHOLE: _HALF_SUBMISSIONS},
    ),
}
"""Destinations by dlt's name, supported ones first."""

_FROM_PUBLISHED_COPY = (
    "load into duckdb or postgres, and copy the tables of the file that `publish` writes"
)
_DELTA_TABLES = (
    "load into duckdb or postgres, and publish Delta tables from there, which other engines read"
    " (argos-sync publish --format delta)"
)
_POSTGRES_INSTEAD = "load into postgres, or publish a DuckDB file from there"
_VECTOR_STORE = Refused("it is a vector store without SQL", "load into postgres")

_SQL_SERVER = Refused(
    "this package's SQL is not translated into T-SQL: UTC days and weeks, DATE_TRUNC, GROUP BY by"
    " position",
    _POSTGRES_INSTEAD,
)

REFUSED: Mapping[str, Refused] = {
    "bigquery": Refused(
        "dlt loads no JSON columns into it from Parquet files, and makes texts of them in JSON"
        " Lines; another way could not be tried, because no server of it runs outside the cloud",
        _FROM_PUBLISHED_COPY,
    ),
    "filesystem": Refused(
        "files have no SQL tables that rows can be merged into",
        f"load into ducklake, which has Parquet files in a folder or S3; or {_DELTA_TABLES}",
    ),
    "athena": Refused(
        "a chunk cannot be one transaction there, and this package's SQL is not translated for it",
        _DELTA_TABLES,
    ),
    "dremio": Refused(
        "a chunk cannot be one transaction there, and this package's SQL is not translated for it",
        _DELTA_TABLES,
    ),
    "sqlalchemy": Refused(
        "dlt's merge fails there with any row key but its own, MySQL and MariaDB end a transaction"
        " at each CREATE TABLE of that merge, and this package's SQL is not translated for them",
        "instead of SQLite load into duckdb, instead of MySQL or MariaDB into postgres",
    ),
    "mssql": _SQL_SERVER,
    "fabric": _SQL_SERVER,
    "synapse": Refused(
        f"{_SQL_SERVER.reason}; and a chunk cannot be one transaction there", _POSTGRES_INSTEAD
    ),
    "lance": _VECTOR_STORE,
    "lancedb": _VECTOR_STORE,
    "qdrant": _VECTOR_STORE,
    "weaviate": _VECTOR_STORE,
    "destination": Refused(
        "a function that receives rows has no tables in which old rows could be replaced",
        "use `argos_source` in a dlt pipeline of your own, which makes no promises about what the"
        " function does",
    ),
    "dummy": Refused("it stores nothing", "load into duckdb"),
}
"""Destinations of dlt that are refused, by dlt's name."""

_UNKNOWN = Refused(
    "it is not derived from a destination that argos-sync has been checked with", "load into duckdb"
)


def refuse_unsupported(kind: str | None, name: str) -> None:
    """Refuse a destination that cannot keep the promises.

    Args:
        kind: dlt's name of the destination that it is or derives from; None if there is none.
        name: The name as the user gave it.

    Raises:
        ConfigurationError: It is refused; the message has the reason and the nearest alternative.
    """
    if kind in ACCEPTED:
        return
    refused = REFUSED.get(kind or "", _UNKNOWN)
    raise ConfigurationError(
        f"the destination {_label(kind, name)} is refused: {refused.reason}", refused.instead
    )


def refuse_untried(kind: str, name: str) -> None:
    """Refuse to write to an accepted destination that is not supported.

    Raises:
        ConfigurationError: It is only tried; the message lists the known limitations.
    """
    accepted = ACCEPTED[kind]
    if accepted.status == "tried":
        gaps = "; ".join(accepted.limitations)
        raise ConfigurationError(
            f"the destination {_label(kind, name)} is tried, not supported: {accepted.tested}."
            f" Known limitations: {gaps}",
            ALLOW_UNTRIED,
        )


def _label(kind: str | None, name: str) -> str:
    return name if kind in (None, name) else f"{name} ({kind})"
