"""Measure a change log: a month of nights in which one submission in a hundred changes.

    PYTHONPATH=tests python tests/bench/delta.py [--submissions N] [--nights N] [--folder FOLDER]

The nights are a day apart by the clock that `publish` is given, so the log is rewritten each week.
Afterwards one submission is forgotten, and all files are searched for its id. A FOLDER is kept, and
other engines can read its `lake` with the views in `views-ENGINE.sql`.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import duckdb
from processes import emulator
from scale import Setup

from argos_sync.commands.forget import forget
from argos_sync.commands.publish.change_log import publish_changes
from argos_sync.commands.publish.change_log_views import ENGINES, current_views
from argos_sync.load.target import Target
from log_reader import current_rows, files_with, published_rows
from support import Warehouse, context_for

_CHANGE = """
    UPDATE argos.{} SET {} WHERE submission_id IN (
        SELECT submission_id FROM argos.submissions
        WHERE hash(submission_id) % 100 = {} % 100)
"""
_CHANGED = ("submissions", "argos_score = {}"), ("kyc", "result = 'night {}'")
"""Two of a submission's tables are changed; all of its rows are appended."""


def nights(setup: Setup, count: int) -> Iterator[tuple[str, float, int]]:
    """Yield why each night's publish rewrote the log, its seconds, and the bytes it wrote."""
    log, begin = setup.folder / "lake", datetime(2026, 1, 1, tzinfo=UTC)
    target = Target(pipelines_dir=str(setup.folder / "working"), file=str(setup.file))
    for night in range(count + 1):
        if night:
            with duckdb.connect(str(setup.file)) as connection:
                for table, assignment in _CHANGED:
                    connection.execute(_CHANGE.format(table, assignment.format(night), night))
        before, now = set(log.rglob("*")), begin + night * timedelta(days=1)
        started = time.perf_counter()
        result = publish_changes(target, str(log), clock=lambda now=now: now)  # type: ignore[misc]
        seconds = time.perf_counter() - started
        yield result.rewrite or "", seconds, size_of(set(log.rglob("*")) - before)


def size_of(paths: Iterable[Path]) -> int:
    """Return the bytes of the files of these paths."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def measure(folder: Path, submissions: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and the figure."""
    with emulator(submissions) as base_url:
        setup = Setup(folder, base_url)
        setup.run("backfill", "--from", "2025-01-01", "--to", "2025-12-31")
        log = folder / "lake"
        (_, seconds, written), *rest = nights(setup, count)
        yield "first publish", f"{written:,} bytes, {seconds:.2f} s"
        for kind, chosen in (
            ("changes", [night for night in rest if not night[0]]),
            ("rewritten", [night for night in rest if night[0]]),
        ):
            if chosen:
                size = median(night[2] for night in chosen)
                seconds = median(night[1] for night in chosen)
                figure = f"{size:,.0f} bytes, {seconds:.2f} s"
                yield f"{len(chosen)} nights, {kind}; median", figure
        yield "all nights", f"{sum(night[2] for night in rest):,} bytes"
        yield "bytes in the end", f"{size_of(log.rglob('*')):,}"
        yield "files in the end", f"{sum(p.is_file() for p in log.rglob('*')):,}"
        for engine in ENGINES:
            (folder / f"views-{engine}.sql").write_text(current_views(engine, str(log), "argos"))
        target = Target(pipelines_dir=str(folder / "working"), file=str(setup.file))
        expected = published_rows(Warehouse(target, lambda _: []), folder / "analysts.duckdb")
        yield "rows read back are equal", str(current_rows(str(log)) == expected)
        forgotten = str(expected["submissions"][0]["submission_id"])
        yield "files with an id", f"{len(files_with(log, forgotten)):,}"
        forget(context_for(base_url, target), [("submission_id", forgotten)])
        result = publish_changes(target, str(log))
        yield "publish after forget", str(result.rewrite)
        yield "files with the forgotten id", f"{len(files_with(log, forgotten)):,}"


@contextmanager
def _folder(name: str | None) -> Iterator[Path]:
    if name is None:
        with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as temporary:
            yield Path(temporary)
    else:
        yield Path(name).resolve()


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=10_000, metavar="N")
    parser.add_argument("--nights", type=int, default=30, metavar="N")
    parser.add_argument("--folder", metavar="FOLDER")
    options = parser.parse_args()
    with _folder(options.folder) as folder:
        for name, figure in measure(folder, options.submissions, options.nights):
            print(f"{name:<44}{figure:>40}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
