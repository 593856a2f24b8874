"""Measure how much faster an update of a published copy is than a copy of all rows.

    PYTHONPATH=tests python tests/bench/publish.py [--submissions N] [--share PERCENT] [--repeat N]
        [--postgres]

Of a warehouse one submission in a hundred changes in five tables, and as many
again are only fetched. CPU seconds count both threads of DuckDB, and are steadier than seconds on a
busy machine. Neither counts the imports of a process.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import duckdb
import psycopg2
from processes import BenchmarkError, emulator
from scale import Setup

from argos_sync.commands.publish.duckdb_copy import PublishResult, publish
from argos_sync.commands.publish.parquet_folder import publish_parquet
from argos_sync.load.target import Target
from argos_sync.shape.column_cipher import Keyring
from argos_sync.shape.pseudonyms import Pseudonymizer

_CHANGES = (
    ("submissions", "argos_score = {n}, _changed_at = now(), _synced_at = now()"),
    ("kyc", "result = 'night {n}'"),
    ("aml", "current_status = 'night {n}'"),
    ("attempts", "attempt_cnt = {n}"),
    ("applicants", "address_city = 'City {n}'"),
)
_CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"
_POSTGRES = "postgresql://postgres:postgres@127.0.0.1:5432/postgres"
_DATASET = "argos_bench_publish"

Execute = Callable[[str], object]
T = TypeVar("T")


def change(execute: Execute, hashed: str, share: int, number: int) -> None:
    """Change a share of the submissions, in percent, and mark as many as fetched.

    A submission is replaced as a run does it: its rows are deleted, and inserted again. `hashed` is
    an expression for a number of two digits by submission.
    """
    for table, assignments in _CHANGES:
        execute(f"CREATE TEMP TABLE r AS SELECT * FROM {table} WHERE {hashed} < {share}")
        execute(f"UPDATE r SET {assignments.format(n=number)}")
        execute(f"DELETE FROM {table} WHERE {hashed} < {share}")
        execute(f"INSERT INTO {table} SELECT * FROM r")
        execute("DROP TABLE r")
    fetched = f"{hashed} BETWEEN {share} AND {2 * share - 1}"
    execute(f"UPDATE submissions SET _synced_at = now() WHERE {fetched}")


def change_file(file: Path, share: int, number: int) -> None:
    """Change a warehouse in a DuckDB file."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("USE argos")
        change(connection.execute, "hash(submission_id) % 100", share, number)


def change_postgres(share: int, number: int) -> None:
    """Change the warehouse in PostgreSQL."""
    with closing(psycopg2.connect(os.environ[_CREDENTIALS])) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET search_path = {_DATASET}")
        change(cursor.execute, "abs(hashtext(submission_id)) % 100", share, number)


def timed(action: Callable[[], T]) -> tuple[float, float, T]:
    """Return the seconds and the CPU seconds of an action, and its result."""
    started, cpu = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - started, time.process_time() - cpu, result


def measure(
    name: str,
    folder: Path,
    write: Callable[[Path], PublishResult],
    change_rows: Callable[[int], None],
    repeat: int,
) -> Iterator[tuple[str, str]]:
    """Yield what was measured of updates and of copies of all rows, and the figure."""
    whole, updated = folder / f"{name}-whole.duckdb", folder / f"{name}.duckdb"
    write(updated)
    seconds: dict[str, list[tuple[float, float]]] = {"all rows": [], "update": []}
    for number in range(repeat):
        change_rows(number)
        for kind, file in (("all rows", whole), ("update", updated)):
            whole.unlink(missing_ok=True)
            elapsed, cpu, result = timed(partial(write, file))
            if (result.rewrite is None) != (kind == "update"):
                raise BenchmarkError(f"{name}, {kind}: {result.rewrite}")
            seconds[kind].append((elapsed, cpu))
    figures = {
        kind: tuple(median(column) for column in zip(*values, strict=True))
        for kind, values in seconds.items()
    }
    for kind, (elapsed, cpu) in figures.items():
        yield f"{name}: {kind}", f"{elapsed:.2f} s, {cpu:.2f} s of CPU"
    ratios = [a / b for a, b in zip(figures["all rows"], figures["update"], strict=True)]
    yield f"{name}: all rows / update", f"{ratios[0]:.1f}, {ratios[1]:.1f} of CPU"
    yield f"{name}: bytes", f"{updated.stat().st_size:,}"


def measure_all(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and the figure."""
    os.environ.setdefault(_CREDENTIALS, _POSTGRES)
    backfill = ("backfill", "--from", "2025-01-01", "--to", "2025-12-31")
    postgres = ("--destination", "postgres", "--dataset", _DATASET)
    with emulator(options.submissions) as base_url:
        setup = Setup(folder, base_url, {_CREDENTIALS: os.environ[_CREDENTIALS]})
        setup.run(*backfill)
        if options.postgres:
            setup.run(*backfill, *postgres)
    working = str(folder / "working")
    target = Target(pipelines_dir=working, file=str(setup.file))
    maker = Pseudonymizer(Keyring.from_secret("a key of the benchmark's own"))
    change_rows = partial(change_file, setup.file, options.share)
    for name, pseudonymizer in (("DuckDB", None), ("DuckDB with pseudonyms", maker)):
        write = partial(publish, target, pseudonymizer=pseudonymizer)
        yield from measure(name, folder, write, change_rows, options.repeat)
    for number in (100, 101):
        change_rows(number)
        elapsed, cpu, result = timed(lambda: publish_parquet(target, str(folder / "files")))
        yield (
            f"Parquet: {len(result.written)} files written",
            f"{elapsed:.2f} s, {cpu:.2f} s of CPU",
        )
    if options.postgres:
        write = partial(publish, Target("postgres", _DATASET, working))
        change_rows = partial(change_postgres, options.share)
        yield from measure("PostgreSQL", folder, write, change_rows, options.repeat)
        with closing(psycopg2.connect(os.environ[_CREDENTIALS])) as connection:
            connection.autocommit = True
            for schema in (_DATASET, f"{_DATASET}_staging"):
                connection.cursor().execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=200_000, metavar="N")
    parser.add_argument("--share", type=int, default=1, metavar="PERCENT")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    parser.add_argument("--postgres", action="store_true", help="measure PostgreSQL, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name:
        for line, figure in measure_all(Path(name), options):
            print(f"{line:<44}{figure:>40}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
