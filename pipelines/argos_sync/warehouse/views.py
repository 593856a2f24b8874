"""Read the views for analysts from `schemas/views/*.sql` and translate them for a destination.

Each file is one SELECT in DuckDB's dialect over bare names of tables and of other views, with the
functions of `load.sql`. Its header says what the view answers and, after an empty comment line,
describes each column: its name, two or more blanks, its meaning. A view names its columns:
PostgreSQL expands `*` once, when a view is created, and DuckDB then refuses to read the view. A
view may read any column of the shipped contract: if the warehouse has dropped the column, or stores
it as text, the view reads NULL of the column's own type.

`REPORTING_DAY(time)` and `REPORTING_WEEK(time)` are the day and the Monday of the week in the
reporting time zone.

sqlglot parses a view for other dialects only, and for tables that lack a column: DuckDB's text
needs no translation, and parsing all views takes longer than creating them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from itertools import takewhile
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types

from argos_sync.load.dialects import (
    DUCKDB_TYPES,
    PHRASES,
    expand_calls,
    quote_literal,
    split_arguments,
)
from argos_sync.load.sql import (
    SOURCE_DIALECT,
    Client,
    dialect_of,
    qualify_table,
    table_references,
    to_dialect,
)
from argos_sync.shape.contract import Column, Contract, load_contract, schemas_folder

STALENESS = "staleness"

UTC = "UTC"

_REPORTING = {"REPORTING_DAY": "DAY_IN", "REPORTING_WEEK": "WEEK_IN"}
"""The function of `load.dialects` for each of the views', which lacks the time zone."""

_COMMENT = re.compile(r"\s*--[^\n]*")
_REFERENCE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_CTE = re.compile(r"\b(\w+) AS \(")

_SETTINGS = {"clickhouse": " SETTINGS join_use_nulls = 1"}
"""Text to append to a SELECT: ClickHouse's outer joins return empty texts and zeros otherwise."""


@dataclass(frozen=True)
class View:
    """One view: a file of `schemas/views/`, with the descriptions of its columns in order.

    `text` is the SELECT without comments.
    """

    name: str
    text: str
    description: str
    columns: dict[str, str]

    @cached_property
    def select(self) -> exp.Query:
        """Return the parsed SELECT."""
        return sqlglot.parse_one(self.text, dialect=SOURCE_DIALECT).assert_is(exp.Query)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Return the names of the tables and views it reads, sorted.

        A CTE's own name is that of a table up to the end of the CTE.
        """
        starts = {cte[1]: cte.end() for cte in _CTE.finditer(self.text)}
        ends = {name: split_arguments(self.text, start)[1] for name, start in starts.items()}
        references = _REFERENCE.finditer(self.text)
        return tuple(
            sorted({one[1] for one in references if one.start() < ends.get(one[1], one.end())})
        )

    def describe(self, zone: str = UTC) -> str:
        """Return the description, with the time zone of days and weeks if there are any."""
        is_reporting = any(f"{function}(" in self.text for function in _REPORTING)
        suffix = f" Days and weeks are those of {zone}." if is_reporting else ""
        return self.description + suffix


@cache
def load_views(folder: Path | None = None) -> tuple[View, ...]:
    """Read every view, once per process; a view comes after the views it reads."""
    views = {path.stem: _read_view(path) for path in view_files(folder)}
    order = TopologicalSorter({name: view.reads for name, view in views.items()})
    return tuple(views[name] for name in order.static_order() if name in views)


def view_files(folder: Path | None = None) -> list[Path]:
    """Return the files of all views; None reads `schemas/views/`."""
    return sorted((folder or schemas_folder() / "views").glob("*.sql"))


def view_names(folder: Path | None = None) -> list[str]:
    """Return the names of all views, in order, without parsing their files."""
    return [path.stem for path in view_files(folder)]


def parse_header(text: str) -> tuple[str, dict[str, str]]:
    """Return the descriptions of a view and of its columns from the header of its file.

    The description of a column may continue on the next line, indented.
    """
    lines = takewhile(lambda line: line.startswith("--"), text.splitlines())
    header = "\n".join(line.removeprefix("--") for line in lines)
    description, _, column_list = header.partition("\n\n")
    columns = re.findall(r"^ (\w+)  +(\S.*(?:\n   +\S.*)*)", column_list, re.MULTILINE)
    return " ".join(description.split()), {
        name: " ".join(meaning.split()) for name, meaning in columns
    }


def view_query(
    client: Client, view: View, contract: Contract | None = None, zone: str = UTC
) -> str:
    """Return a view's SELECT in the dialect of the destination, whose client may be closed.

    `zone` is the reporting time zone, an IANA name.
    """
    dialect = dialect_of(client)
    if dialect == SOURCE_DIALECT:
        return duckdb_query(view, contract, zone)
    select = _in_zone(adapt_to_tables(view, contract), zone)
    for table in table_references(select):
        # The query may qualify columns with the bare table name.
        alias = exp.to_identifier(table.alias or table.name)
        qualify_table(table, client.make_qualified_table_name(table.name), dialect)
        table.set("alias", exp.TableAlias(this=alias))
    if dialect == "clickhouse":
        select = _adapt_to_clickhouse(select)
    return to_dialect(select, dialect) + _SETTINGS.get(dialect, "")


def duckdb_query(view: View, contract: Contract | None = None, zone: str = UTC) -> str:
    """Return a view's SELECT for a DuckDB file, with bare names of tables.

    DuckDB resolves bare names in the view's own schema, so the view still works when the file is
    renamed or attached under another name.
    """
    if fits_tables(view, contract):
        return expand_calls(view.text, _duckdb_templates(zone))
    return duckdb_text(adapt_to_tables(view, contract), zone)


def duckdb_text(select: exp.Expression, zone: str) -> str:
    """Return the text of a SELECT, which is changed, for a DuckDB file."""
    return to_dialect(_in_zone(select, zone), SOURCE_DIALECT)


def _read_view(path: Path) -> View:
    text = path.read_text(encoding="utf-8")
    return View(path.stem, _COMMENT.sub("", text).strip(), *parse_header(text))


def fits_tables(view: View, contract: Contract | None) -> bool:
    """Return whether tables have every column of the shipped contract whose name a view has."""
    if contract is None:
        return True
    shipped, words = load_contract().tables, set(re.findall(r"\w+", view.text))
    for name in set(view.reads) & shipped.keys() & contract.tables.keys():
        types = {column.name: column.type for column in contract[name].columns}
        columns = [column for column in shipped[name].columns if column.name in words]
        if any(types.get(column.name) != column.type for column in columns):
            return False
    return True


def _duckdb_templates(zone: str) -> dict[str, str]:
    """Return the templates of all functions that DuckDB lacks."""
    phrases = {name: one.get(SOURCE_DIALECT, one.get("")) for name, one in PHRASES.items()}
    templates = {name: template for name, template in phrases.items() if template is not None}
    own = {
        name: templates[function].format("{}", quote_literal(zone))
        for name, function in _REPORTING.items()
    }
    return templates | own


def _adapt_to_clickhouse(query: exp.Expression) -> exp.Expression:
    """Return a query whose columns have bare names, and whose truth values are not numbers.

    ClickHouse names a column of a join `s.created_at`, with its table, unless it has an alias, and
    its comparisons return 1 and 0.
    """
    query = annotate_types(query)
    for select in [*query.find_all(exp.Select)]:
        select.set("expressions", [_named_truth_value(one) for one in select.expressions])
    return query


def _named_truth_value(selected: exp.Expression) -> exp.Expression:
    value = selected.this if isinstance(selected, exp.Alias) else selected
    if value.is_type(exp.DataType.Type.BOOLEAN) and not isinstance(value, exp.Column):
        value = exp.cast(value, exp.DataType.Type.BOOLEAN)
    named: exp.Expression = exp.alias_(value, selected.alias_or_name)
    return named


def adapt_to_tables(
    view: View,
    contract: Contract | None = None,
    substitutes: Mapping[tuple[str, str], str] | None = None,
) -> exp.Query:
    """Return a copy of a view's SELECT that fits the tables of the contract, or the shipped ones.

    A table that lacks columns which the SELECT mentions, or has them with another type, is replaced
    by a subquery of the same name. There those columns are NULL, or another column of the table:
    `substitutes` has its name by table and missing column.
    """
    select = view.select.copy()
    shipped, existing = load_contract().tables, (contract or load_contract()).tables
    mentioned = {column.name for column in select.find_all(exp.Column)}
    for table in table_references(select):
        if table.name not in shipped or table.name not in existing:
            continue
        columns = [column for column in shipped[table.name].columns if column.name in mentioned]
        types = {column.name: column.type for column in existing[table.name].columns}
        if any(types.get(column.name) != column.type for column in columns):
            expressions = [
                exp.column(column.name)
                if types.get(column.name) == column.type
                else _substitute(column, (substitutes or {}).get((table.name, column.name)))
                for column in columns
            ]
            replace_table(table, exp.select(*expressions).from_(exp.to_table(table.name)))
    return select


def replace_table(table: exp.Table, query: exp.Select) -> None:
    """Replace a reference to a table or view by a subquery of the same name."""
    table.replace(query.subquery(table.alias or table.name))


def _in_zone(select: exp.Expression, zone: str) -> exp.Expression:
    """Return a SELECT, which is changed, with the time zone of its days and weeks."""
    for call in [*select.find_all(exp.Anonymous)]:
        if function := _reporting_function(call):
            arguments = [*call.expressions, exp.Literal.string(zone)]
            call.replace(exp.Anonymous(this=function, expressions=arguments))
    return select


def _reporting_function(call: exp.Anonymous) -> str | None:
    return _REPORTING.get(call.name.upper())


def _substitute(column: Column, other: str | None) -> exp.Expression:
    """Return another column under the name of one that is missing, or NULL."""
    null = exp.cast(exp.null(), DUCKDB_TYPES[column.type], dialect=SOURCE_DIALECT)
    value = exp.column(other) if other else null
    return exp.Alias(this=value, alias=exp.to_identifier(column.name))
