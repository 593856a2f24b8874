"""Measure how much faster an update of a published copy is than a copy of all rows.

    PYTHONPATH=tests python tests/bench/publish.py [--submissions N] [--share PERCENT] [--repeat N]

Of a warehouse in a DuckDB file, one submission in a hundred changes in five tables, and as many
again are only fetched. CPU seconds count both threads of DuckDB, and are steadier than seconds on a
busy machine. Neither counts the imports of a process.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import duckdb
from processes import emulator
from scale import Setup

from argos_sync.commands.parquet_folder import publish_parquet
from argos_sync.commands.publish import publish
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
"""A submission is replaced as a run does it: its rows are deleted, and inserted again."""


def change(file: Path, share: int, number: int) -> None:
    """Change a share of the submissions, in percent, and mark as many as fetched."""
    chosen = f"hash(submission_id) % 100 < {share}"
    with duckdb.connect(str(file)) as connection:
        connection.execute("USE argos")
        for table, assignments in _CHANGES:
            connection.execute(f"CREATE TEMP TABLE r AS FROM {table} WHERE {chosen}")
            connection.execute(f"UPDATE r SET {assignments.format(n=number)}")
            connection.execute(f"DELETE FROM {table} WHERE {chosen}")
            connection.execute(f"INSERT INTO {table} FROM r; DROP TABLE r")
        fetched = f"hash(submission_id) % 100 BETWEEN {share} AND {2 * share - 1}"
        connection.execute(f"UPDATE submissions SET _synced_at = now() WHERE {fetched}")


def timed(action: Callable[[], object]) -> tuple[float, float, object]:
    """Return the seconds and the CPU seconds of an action, and its result."""
    started, cpu = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - started, time.process_time() - cpu, result


def measure(folder: Path, submissions: int, share: int, repeat: int) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and the figure."""
    with emulator(submissions) as base_url:
        setup = Setup(folder, base_url)
        setup.run("backfill", "--from", "2025-01-01", "--to", "2025-12-31")
    target = Target(pipelines_dir=str(folder / "working"), file=str(setup.file))
    maker = Pseudonymizer(Keyring.from_secret("a key of the benchmark's own"))
    number = 0
    for name, pseudonymizer in (("copy", None), ("copy with pseudonyms", maker)):
        whole, updated = folder / f"{name}-whole.duckdb", folder / f"{name}.duckdb"
        publish(target, updated, pseudonymizer=pseudonymizer)
        seconds: dict[str, list[tuple[float, float]]] = {"all rows": [], "update": []}
        for _ in range(repeat):
            number += 1
            change(setup.file, share, number)
            for kind, file in (("all rows", whole), ("update", updated)):
                whole.unlink(missing_ok=True)
                write = partial(publish, target, file, pseudonymizer=pseudonymizer)
                elapsed, cpu, result = timed(write)
                assert (result.rewrite is None) == (kind == "update"), result.rewrite  # type: ignore[attr-defined]
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
    for kind in ("first", "second"):
        number += 1
        change(setup.file, share, number)
        elapsed, cpu, result = timed(lambda: publish_parquet(target, str(folder / "files")))
        files = len(result.written)  # type: ignore[attr-defined]
        yield f"Parquet files: {kind}, {files} written", f"{elapsed:.2f} s, {cpu:.2f} s of CPU"


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=200_000, metavar="N")
    parser.add_argument("--share", type=int, default=1, metavar="PERCENT")
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name:
        for line, figure in measure(Path(name), options.submissions, options.share, options.repeat):
            print(f"{line:<44}{figure:>40}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
