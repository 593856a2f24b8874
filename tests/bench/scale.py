"""How argos-sync behaves as things grow: workers, a large warehouse, a quiet night, long backfills.

    python tests/bench/scale.py [workers] [growth] [night] [memory] [--large 2000000]

Without names it runs all but `memory`, which takes some minutes. Every run is a fresh process of
the installed command. The figures that count are ratios within one run; targets are shown beside
them, and nothing fails for missing one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from processes import Cost, emulator, run_command

_DAYS = ("--from", "2025-01-01", "--to", "2025-12-31")
_LATENCY = 0.2
_MULTIPLY = """
import duckdb, sys
file, times = sys.argv[1], int(sys.argv[2])
with duckdb.connect(file) as connection:
    connection.execute("SET preserve_insertion_order = false; USE loaded.argos")
    for (table,) in connection.execute(
        "SELECT table_name FROM duckdb_columns() WHERE column_name = 'submission_id'"
        " AND schema_name = 'argos' AND table_name IN (SELECT table_name FROM duckdb_tables())"
    ).fetchall():
        columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
        keys = [name for name in columns if name in ("submission_id", "_dlt_id")]
        renamed = ", ".join(f"{name} || '-' || n AS {name}" for name in keys)
        connection.execute(
            f"INSERT INTO {table} SELECT t.* REPLACE ({renamed})"
            f" FROM {table} AS t, range(1, {times}) AS numbers(n)"
        )
    connection.execute("CHECKPOINT")
    print(connection.execute("SELECT COUNT(*) FROM submissions").fetchone()[0])
"""
_STATEMENTS = """
import json, sys, time
from argos_sync.load.destination import _SqlClient
from sqlglot import exp, parse_one

times = {}

def timed(name):
    plain = getattr(_SqlClient, name)
    def measured(self, sql, *arguments, **options):
        began = time.perf_counter()
        try:
            return plain(self, sql, *arguments, **options)
        finally:
            first, _, rest = str(sql).strip().partition(" ")
            if first in ("DELETE", "INSERT"):
                table = rest.split('"argos"."', 1)[-1].split('"', 1)[0]
                times[table] = times.get(table, 0.0) + time.perf_counter() - began
    setattr(_SqlClient, name, measured)

timed("execute_sql")
from argos_sync.cli.app import main
try:
    main()
finally:
    print(json.dumps(times), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the result.

    Attributes:
        name: What it says.
        value: The figure, with its unit.
        target: What is aimed at; "" for nothing.
    """

    name: str
    value: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a warehouse, and an API to fill it from.

    Attributes:
        folder: Holds `loaded.duckdb` and the working directory.
        base_url: Of the emulator.
    """

    folder: Path
    base_url: str

    def run(self, *arguments: str, page_size: int = 1000) -> tuple[Cost, dict[str, Any]]:
        """Run a command of argos-sync, and return what it took and its summary."""
        options = ["--pipelines-dir", str(self.folder / "working"), "--json"]
        return run_command([*arguments, *options], self._settings(page_size), self.folder)

    def _settings(self, page_size: int) -> dict[str, str]:
        return {
            "SOURCES__ARGOS__API_KEY": "benchmark",
            "SOURCES__ARGOS__BASE_URL": self.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": str(page_size),
            "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
            "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{self.folder / 'loaded.duckdb'}",
        }


def workers(_: argparse.Namespace) -> Iterator[Line]:
    """Yield how much faster eight workers are than one, when every answer takes 200 ms."""
    seconds = {}
    with emulator(20_000, "--latency", str(_LATENCY)) as base_url:
        for number in (1, 2, 4, 8):
            with _folder() as folder:
                arguments = ("backfill", *_DAYS, "--workers", str(number))
                cost, summary = Place(folder, base_url).run(*arguments, page_size=50)
            seconds[number] = cost.seconds
            requests = summary["requests"]
            yield Line(f"{number} workers, {requests} requests", f"{cost.seconds:.1f} s")
    yield Line("1 worker / 8 workers", f"{seconds[1] / seconds[8]:.1f}", "at least 6")


def growth(options: argparse.Namespace) -> Iterator[Line]:
    """Yield what 5,000 new submissions take in a large warehouse and in an empty one."""
    arguments = ("backfill", *_DAYS)
    with _folder() as base, _folder() as folder:
        with emulator(50_000) as base_url:
            Place(base, base_url).run(*arguments)
        file = base / "loaded.duckdb"
        times = str(options.large // 50_000)
        run_command([], {}, base, python=("-c", _MULTIPLY, str(file), times))
        yield Line("submissions in the large one", f"{options.large:,}")
        large, empty = [], []
        with emulator(5_000, "--seed", "99") as base_url:
            days = ("backfill", "--from", "2025-01-01", "--to", "2025-12-30")
            for turn in range(options.repeat):
                for costs, is_large in ((large, True), (empty, False)):
                    at = folder / f"{turn}-{is_large}"
                    at.mkdir()
                    if is_large:
                        shutil.copy(file, at)
                    costs.append(Place(at, base_url).run(*days)[0])
                    shutil.rmtree(at)
            in_large = median(cost.seconds for cost in large)
            in_empty = median(cost.seconds for cost in empty)
            yield Line("5,000 into the large one", f"{in_large:.1f} s")
            yield Line("5,000 into an empty one", f"{in_empty:.1f} s")
            yield Line("large / empty", f"{in_large / in_empty:.1f}", "at most 3")
            yield Line("peak in the large one", f"{max(c.peak_mb for c in large):,.0f} MB")
            yield from _by_table(file, folder, base_url, days)


def night(_: argparse.Namespace) -> Iterator[Line]:
    """Yield what a sync takes when nothing is new."""
    with _folder() as folder, emulator(50_000) as base_url:
        place = Place(folder, base_url)
        place.run("sync")
        cost, summary = place.run("sync")
        yield Line("requests of a quiet night", str(summary["requests"]))
        yield Line("seconds of it", f"{cost.seconds:.1f} s", "under 3 and the requests' own")


def memory(_: argparse.Namespace) -> Iterator[Line]:
    """Yield the peak memory of a long backfill and of one ten times as long."""
    peaks = {}
    for number in (100_000, 1_000_000):
        with _folder() as folder, emulator(number) as base_url:
            cost, _ = Place(folder, base_url).run("backfill", *_DAYS)
        peaks[number] = cost.peak_mb
        yield Line(f"{number:,} submissions", f"{cost.peak_mb:,.0f} MB, {cost.seconds:.0f} s")
    yield Line("1,000,000 / 100,000", f"{peaks[1_000_000] / peaks[100_000]:.2f}", "at most 1.2")


FIGURES: dict[str, Callable[[argparse.Namespace], Iterator[Line]]] = {
    "workers": workers,
    "growth": growth,
    "night": night,
    "memory": memory,
}


def _by_table(file: Path, folder: Path, base_url: str, days: tuple[str, ...]) -> Iterator[Line]:
    """Yield the seconds that deleting from and inserting into each table took."""
    at = folder / "by-table"
    at.mkdir()
    shutil.copy(file, at)
    place = Place(at, base_url)
    arguments = [*days, "--pipelines-dir", str(at / "working")]
    run_command(arguments, place._settings(1000), at, python=("-c", _STATEMENTS))
    said = (at / "log").read_text().splitlines()[-1]
    for table, seconds in sorted(json.loads(said).items(), key=lambda pair: -pair[1]):
        yield Line(f"  {table}", f"{seconds:.2f} s")


class _folder(tempfile.TemporaryDirectory[str]):  # noqa: N801 used like a function
    """A folder that goes when it is no longer needed."""

    def __init__(self) -> None:
        super().__init__(prefix="argos-sync-bench-")

    def __enter__(self) -> Path:  # type: ignore[override] # a path is handier
        return Path(super().__enter__())


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], metavar="FIGURE")
    parser.add_argument("--large", type=int, default=2_000_000, metavar="N")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores")  # noqa: T201
    for name in options.figures or ("workers", "growth", "night"):
        print(f"\n{name}")  # noqa: T201
        for line in FIGURES[name](options):
            print(f"{line.name:<44}{line.value:>18}{line.target:>32}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
