"""`argos-sync sql`."""

import csv
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common, printable, table, table_width
from argos_sync.cli.output import writing_output
from argos_sync.cli.wording import counted, terminal_width

if TYPE_CHECKING:
    from argos_sync.commands.query import QueryResult


MOST_ROWS = 1_000
"""Rows of a table on the terminal; `--csv` and `--json` print all."""


def sql(
    common: Common,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="In the destination's dialect.")
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the query from a file, or from stdin for -."),
    ] = None,
    duckdb: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="DuckDB file to query, such as a published copy; overrides --destination.",
        ),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print all rows as CSV, with a header.")
    ] = False,
) -> None:
    """Run a query on the warehouse, which it cannot change, and print its rows."""
    from argos_sync.commands.query import run_query

    if (query is None) == (file is None):
        raise typer.BadParameter("give a query, or use --file")
    if as_csv and common.as_json:
        raise typer.BadParameter("give --csv or --json, but not both")
    target = common.target
    if duckdb is not None:
        target = replace(target, destination="duckdb", file=str(duckdb))
    with (
        run_query(target, query if query is not None else _read(file)) as result,
        writing_output(),
    ):
        _print(common, result, as_csv=as_csv)


def _print(common: Common, result: "QueryResult", *, as_csv: bool) -> None:
    """Print the rows as the options ask for it."""
    if common.quiet:
        deque(result.batches, maxlen=0)  # to see whether the query fails
    elif as_csv:
        _print_csv(result)
    elif common.as_json:
        rows = [
            dict(zip(result.columns, map(_json_value, row), strict=True)) for row in _rows(result)
        ]
        common.show({"columns": list(result.columns), "rows": rows}, "")
    else:
        _print_table(result)


def _read(file: Path | None) -> str:
    """Return the text of a file, or of stdin for `-`."""
    try:
        if file is None or str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(f"--file cannot be read: {reason}") from None


def _rows(result: "QueryResult") -> Iterator[Sequence[Any]]:
    return chain.from_iterable(result.batches)


def _duration(value: timedelta) -> str:
    """Return an interval in ISO 8601: days, and seconds of the rest."""
    sign, size = ("-", -value) if value < timedelta() else ("", value)
    seconds = f"{size.seconds}.{size.microseconds:06}".rstrip("0").rstrip(".")
    return f"{sign}P{size.days}DT{seconds}S"


def _number(value: Decimal) -> int | float | str:
    """Return a number without loss; its text if JSON's numbers are not precise enough."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(str(float(value))) == value else str(value)


_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str | bool | int | list | dict | None, lambda value: value),
    (datetime, lambda value: (value.astimezone(UTC) if value.tzinfo else value).isoformat()),
    (date | time, lambda value: value.isoformat()),
    (timedelta, _duration),
    (Decimal, _number),
    (float, lambda value: value if isfinite(value) else str(value)),
    (bytes, bytes.hex),
)
"""Types of values, and what JSON has for them; of any other value, its text."""


def _json_value(value: Any) -> Any:
    """Return what JSON has for a value.

    Times are UTC, in ISO 8601, as intervals are; bytes are hexadecimal, and NaN is a text.
    """
    return next(
        (convert(value) for kind, convert in _CONVERSIONS if isinstance(value, kind)), str(value)
    )


def _text(value: Any) -> str:
    """Return a value as text; JSON for lists, objects and truth values."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool | list | dict):
        return json.dumps(value, default=_json_value, ensure_ascii=False)
    return str(_json_value(value))


def _print_csv(result: "QueryResult") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([_text(value) for value in row] for row in _rows(result))


def _print_table(result: "QueryResult") -> None:
    """Print the first rows as a table; as records if the terminal is too narrow for one."""
    rows = _rows(result)
    shown = [[printable(_text(value)) for value in row] for row in islice(rows, MOST_ROWS)]
    width = terminal_width()
    if width is not None and table_width(result.columns, shown) > width:
        typer.echo(_records(result.columns, shown), nl=False)
    else:  # in a pipe nothing is wrapped
        typer.echo(table(result.columns, shown, width=1_000_000), nl=False)
    if next(rows, None) is not None:
        typer.echo(f"the first {MOST_ROWS:,} rows; --csv or --json prints all")
    else:
        typer.echo(counted(len(shown), "row"))


def _records(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return each row as lines of a name and a value."""
    longest = max(map(len, names))
    lines = []
    for number, row in enumerate(rows, start=1):
        lines.append(f"── row {number} ──")
        lines += [
            f"{name:{longest}}  {value}".rstrip() for name, value in zip(names, row, strict=True)
        ]
    return "\n".join([*lines, ""])
