"""Compare the published copy of a warehouse with a change log: what is new, changed or gone.

The change log itself says what it has, so nothing else must be kept in step with it. Each version
of a submission has a fingerprint there: the sum of hashes of its published rows in all tables. It
is made of published values only, so it tells no more than the rows beside it, unlike the content
hash, which covers personal values too. A row that belongs to no submission has one of its own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from argos_sync.commands.publish.erased_rows import key_expression
from argos_sync.commands.publish.rows import arrow_reader
from argos_sync.load.delta_log import LOAD
from argos_sync.load.dialects import quote_name
from argos_sync.shape.contract import SUBMISSIONS, Table

FINGERPRINT = "_fingerprint"
PERSONAL_VALUES = "_personal_values"
"""Columns of the change log besides the published ones. The second one has the number of values in
each column of class `quasi`, by which a publish sees that a submission has lost some."""

_UNTRUE_COLUMNS = {SUBMISSIONS: {"_synced_at"}}
"""Columns that every fetch changes. Rows are appended when something else changes, so that the
change log would only have old values of them."""

_LOGGED = "argos_logged_rows"


@dataclass(frozen=True, slots=True)
class Difference:
    """How many keys of a table are new, changed or gone, and how many have lost personal values.

    The change log has `versions` rows of `logged` keys.
    """

    new: int
    changed: int
    gone: int
    emptied: int
    logged: int
    versions: int


def logged_tables(tables: Sequence[Table]) -> list[Table]:
    """Return published tables with the columns that a change log has of them."""
    return [
        replace(
            table,
            columns=tuple(
                column
                for column in table.columns
                if column.name not in _UNTRUE_COLUMNS.get(table.name, ())
            ),
        )
        for table in tables
    ]


class CopyDiff:
    """Compares a published copy, open in DuckDB, with a change log.

    Its own tables are in a schema of the copy, so that DuckDB can move them out of memory.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, dataset: str, tables: Sequence[Table]
    ) -> None:
        """Fingerprint the rows of the copy, which has these tables and is changed."""
        self.tables = {table.name: table for table in tables}
        self._connection, self._dataset = connection, quote_name(dataset)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA change_log")
        for table in self.keyed_tables:
            states = self._submission_states() if table.name == SUBMISSIONS else self._states(table)
            connection.execute(f"CREATE TABLE change_log.state_{table.name} AS {states}")

    @property
    def keyed_tables(self) -> list[Table]:
        """Return the tables whose rows have versions: not those that belong to a submission."""
        return [table for table in self.tables.values() if not table.belongs_to_submission]

    @property
    def layout(self) -> str:
        """Return a hash of the names and types of all columns."""
        schemas = {name: self.schema(name) for name in self.tables}
        columns = [
            (name, field.name, str(field.type)) for name in schemas for field in schemas[name]
        ]
        return blake2b(repr(columns).encode(), digest_size=8).hexdigest()

    def compare(self, name: str, logged: pads.Dataset, visible: Collection[int]) -> Difference:
        """Compare a table with its rows in the visible loads of the change log."""
        personal = PERSONAL_VALUES if name == SUBMISSIONS else "''"
        numbers = ", ".join(map(str, [-1, *visible]))
        self._connection.register(_LOGGED, logged)
        self._connection.execute(f"""
            CREATE TABLE change_log.logged_{name} AS
            SELECT {key_expression(self.tables[name])} AS key,
                arg_max({FINGERPRINT}, {LOAD}) AS fingerprint,
                arg_max({personal}, {LOAD}) AS personal, COUNT(*) AS versions
            FROM {_LOGGED} WHERE {LOAD} IN ({numbers}) GROUP BY 1""")  # noqa: S608 names only
        self._connection.unregister(_LOGGED)
        self._connection.execute(f"""
            CREATE TABLE change_log.change_{name} AS
            SELECT key, s.fingerprint, s.personal, l.personal AS personal_before
            FROM change_log.state_{name} AS s LEFT JOIN change_log.logged_{name} AS l USING (key)
            WHERE l.fingerprint IS DISTINCT FROM s.fingerprint""")  # noqa: S608 names only
        (counts,) = self._connection.execute(f"""
            SELECT COUNT(*) FILTER (key NOT IN (SELECT key FROM change_log.logged_{name})) AS new,
                COUNT(*) - new,
                (SELECT COUNT(*) FROM change_log.logged_{name} ANTI JOIN change_log.state_{name}
                    USING (key)),
                (SELECT COUNT(DISTINCT key) FROM (
                    SELECT key, CAST(UNNEST(string_split(personal_before, '.')) AS BIGINT) AS old,
                        CAST(UNNEST(string_split(personal, '.')) AS BIGINT) AS new
                    FROM change_log.change_{name} WHERE '' NOT IN (personal, personal_before))
                    WHERE old > new),
                (SELECT COUNT(*) FROM change_log.logged_{name}),
                (SELECT COALESCE(SUM(versions), 0) FROM change_log.logged_{name})
            FROM change_log.change_{name}""").fetchall()  # noqa: S608 names only
        return Difference(*map(int, counts))

    def count(self, name: str, *, everything: bool) -> int:
        """Return how many rows of a table changed or belong to changed submissions; or all."""
        query = f"SELECT COUNT(*) FROM ({self._select(name, 0, everything=everything)})"  # noqa: S608 names only
        ((count,),) = self._connection.execute(query).fetchall()
        return int(count)

    def rows(self, name: str, number: int, *, everything: bool) -> pa.RecordBatchReader:
        """Return the rows to append to a table in a load of this number."""
        return self._arrow(self._select(name, number, everything=everything))

    def schema(self, name: str) -> pa.Schema:
        """Return the columns of a table in the change log."""
        return self._arrow(f"{self._select(name, 0, everything=True)} LIMIT 0").schema

    def _arrow(self, query: str) -> pa.RecordBatchReader:
        return arrow_reader(self._connection, query)

    def _select(self, name: str, number: int, *, everything: bool) -> str:
        table = self.tables[name]
        columns = [*_values(table), f"CAST({number} AS BIGINT) AS {LOAD}"]
        if table.belongs_to_submission:
            key, changes = "submission_id", SUBMISSIONS
        else:
            key, changes = key_expression(table), name
            columns.append(f"s.fingerprint AS {FINGERPRINT}")
        if name == SUBMISSIONS:
            columns.append(f"s.personal AS {PERSONAL_VALUES}")
        kind = "state" if everything else "change"
        return (
            f"SELECT {', '.join(columns)} FROM {self._qualified(table)}"  # noqa: S608 names only
            f" JOIN change_log.{kind}_{changes} AS s ON s.key = {key}"
        )

    def _submission_states(self) -> str:
        """Return the query for the fingerprint of each submission and its personal values."""
        tables = [self.tables[SUBMISSIONS]]
        tables += (table for table in self.tables.values() if table.belongs_to_submission)
        hashes = " UNION ALL ".join(
            f"SELECT submission_id, {_hash(table)} AS hash FROM {self._rows(table)}"  # noqa: S608 names only
            for table in tables
        )
        counts = dict(self._personal_counts(tables))
        joins = "".join(
            f" LEFT JOIN ({query}) AS {name} USING (submission_id)"
            for name, (query, _) in counts.items()
        )
        personal = ", ".join(
            f"COALESCE({name}.counts, '{zero}')" for name, (_, zero) in counts.items()
        )
        return f"""
            SELECT submission_id AS key, h.fingerprint,
                concat_ws('.', {personal or "''"}) AS personal
            FROM {self._qualified(tables[0])} JOIN (
                SELECT submission_id, CAST(SUM(hash) AS VARCHAR) AS fingerprint
                FROM ({hashes}) GROUP BY 1) AS h USING (submission_id){joins}"""  # noqa: S608 names only

    def _personal_counts(self, tables: Sequence[Table]) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield a name, a query for the numbers of personal values, and those of no rows."""
        for number, table in enumerate(tables):
            names = [quote_name(c.name) for c in table.columns if c.privacy == "quasi"]
            if names:
                counts = ", ".join(f"COUNT({name})" for name in names)
                query = (
                    f"SELECT submission_id, concat_ws('.', {counts}) AS counts"  # noqa: S608 names only
                    f" FROM {self._qualified(table)} GROUP BY 1"
                )
                yield f"c{number}", (query, ".".join("0" for _ in names))

    def _states(self, table: Table) -> str:
        """Return the query for the fingerprint of each row of a table."""
        return (
            f"SELECT {key_expression(table)} AS key,"  # noqa: S608 names only
            f" CAST({_hash(table)} AS VARCHAR) AS fingerprint,"
            f" '' AS personal FROM {self._rows(table)}"
        )

    def _rows(self, table: Table) -> str:
        """Return a relation, named like the table, of its rows with the logged columns."""
        columns = ", ".join(_values(table))
        return f"(SELECT {columns} FROM {self._qualified(table)}) AS {quote_name(table.name)}"  # noqa: S608 names only

    def _qualified(self, table: Table) -> str:
        return f"{self._dataset}.{quote_name(table.name)}"


def total(differences: Mapping[str, Difference], name: str) -> int:
    """Return the sum of one count over all tables."""
    return sum(getattr(difference, name) for difference in differences.values())


def _values(table: Table) -> list[str]:
    """Return expressions for the columns of a table; JSON is text in Delta tables."""
    return [
        f"CAST({quote_name(column.name)} AS VARCHAR) AS {quote_name(column.name)}"
        if column.type == "json"
        else quote_name(column.name)
        for column in table.columns
    ]


def _hash(table: Table) -> str:
    """Return an expression for the hash of a row; its column names are part of it."""
    name = quote_name(table.name)
    return f"md5_number_lower(concat('{table.name}', CAST(to_json({name}) AS VARCHAR)))"
