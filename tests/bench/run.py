"""Compare argos-sync with dlt's `rest_api` and DuckDB's `read_json`, on the same pages.

    python tests/bench/run.py [--submissions 50000] [--rest-api-submissions 5000] [--repeat 3]

Every way runs in a fresh process against one emulator and into a fresh DuckDB file (see `ways`).
Machines differ, so compare the ratios within one run; targets are shown beside them, but a missed
target is not a failure.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from compileall import compile_dir
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Self

from processes import BenchmarkError, Cost, check_loaded, emulator, measure
from ways import PAGE_SIZE, WAYS

ARGOS_SYNC, REST_API, PARQUET, READ_JSON = WAYS


@dataclass(frozen=True, slots=True)
class Result:
    """Median cost of the runs of one way.

    Attributes:
        way: Its name.
        submissions: Number of submissions.
        scaled_from: Number of submissions really loaded, if `seconds` are scaled.
        seconds: Seconds of the whole process, including imports.
        work: Seconds after the imports.
        cpu: CPU seconds of all threads; never scaled.
        peak_mb: Peak memory in units of 1,000,000 bytes; never scaled.
    """

    way: str
    submissions: int
    scaled_from: int | None
    seconds: float
    work: float
    cpu: float
    peak_mb: float

    @classmethod
    def of(cls, way: str, costs: Sequence[Cost], loaded: int, submissions: int) -> Self:
        """Return the medians, with the work (not the imports) scaled to all submissions."""
        work = median(cost.work for cost in costs) * submissions / loaded
        seconds = (
            median(cost.seconds for cost in costs)
            if loaded == submissions
            else median(cost.start_up for cost in costs) + work
        )
        return cls(
            way=way,
            submissions=submissions,
            scaled_from=None if loaded == submissions else loaded,
            seconds=seconds,
            work=work,
            cpu=median(cost.cpu for cost in costs),
            peak_mb=median(cost.peak_mb for cost in costs),
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the summary.

    Attributes:
        name: What was measured.
        value: The value for whole processes.
        of_work: The value without start-up; None if it has no meaning.
        target: The target; "" if there is none.
    """

    name: str
    value: float
    of_work: float | None
    target: str = ""


def run(ways: Sequence[str], submissions: int, few: int, repeat: int) -> Iterator[Result]:
    """Measure the ways in turns, so that a busy minute of the machine affects all of them.

    Args:
        ways: Names in `WAYS`.
        submissions: Number of submissions to load.
        few: Number to load with `rest_api`, which would take minutes for all.
        repeat: Runs of each way; `rest_api` runs once.
    """
    _compile_package()
    turns = [way for way in WAYS if way in ways and way != REST_API]
    if turns:
        costs: dict[str, list[Cost]] = {way: [] for way in turns}
        with emulator(submissions) as base_url:
            for way in turns * repeat:
                costs[way].append(_measure(way, base_url, submissions))
        yield from (Result.of(way, costs[way], submissions, submissions) for way in turns)
    if REST_API in ways:
        with emulator(few) as base_url:
            cost = _measure(REST_API, base_url, few)
        yield Result.of(REST_API, [cost], few, submissions)


def figures(results: Sequence[Result]) -> list[Figure]:
    """Return the ratios of the results."""
    by_way = {result.way: result for result in results}
    argos_sync = by_way.get(ARGOS_SYNC)
    if argos_sync is None:
        return []
    ratios = []
    for slower, target in ((REST_API, "at least 15"), (PARQUET, "at least 3")):
        if (other := by_way.get(slower)) is not None:
            name = f"{slower} / {ARGOS_SYNC}"
            ratio, of_work = other.seconds / argos_sync.seconds, other.work / argos_sync.work
            ratios.append(Figure(name, ratio, of_work, target))
    if (read_json := by_way.get(READ_JSON)) is not None:
        ratio, of_work = argos_sync.seconds / read_json.seconds, argos_sync.work / read_json.work
        ratios.append(Figure(f"{ARGOS_SYNC} / {READ_JSON}", ratio, of_work, "at most 2.5"))
    return [*ratios, Figure(f"peak MB of {ARGOS_SYNC}", argos_sync.peak_mb, None, "under 600")]


def _measure(way: str, base_url: str, submissions: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name:
        folder = Path(name)
        cost = measure(way, base_url, folder)
        check_loaded(way, folder, submissions)
    _log(f"{way}: {submissions:,} in {cost.seconds:.1f} s, of which start-up {cost.start_up:.1f} s")
    return cost


def _compile_package() -> None:
    """Compile the package, so that the first run is not slower than the others."""
    spec = find_spec("argos_sync")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        compile_dir(folder, quiet=1)


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield (f"{'way':<20}{'submissions':>12}{'seconds':>10}{'work':>12}{'CPU':>10}{'peak MB':>10}")
    for result in results:
        note = f"  seconds scaled from {result.scaled_from:,}" if result.scaled_from else ""
        yield (
            f"{result.way:<20}{result.submissions:>12,}{result.seconds:>10.1f}{result.work:>12.1f}"
            f"{result.cpu:>10.1f}{result.peak_mb:>10,.0f}{note}"
        )


def _summary(lines: Sequence[Figure]) -> Iterator[str]:
    yield f"{'':<32}{'seconds':>10}{'work':>12}{'target':>14}"
    for figure in lines:
        digits = 0 if figure.of_work is None else 1
        of_work = "" if figure.of_work is None else f"{figure.of_work:.1f}"
        yield f"{figure.name:<32}{figure.value:>10,.{digits}f}{of_work:>12}{figure.target:>14}"


def _log(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=50_000, metavar="N")
    parser.add_argument(
        "--rest-api-submissions",
        type=int,
        default=5_000,
        metavar="N",
        help="loaded with rest_api and its defaults; its work is scaled to --submissions",
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="TIMES", help="take the median")
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--json", action="store_true", help="print a JSON object as well")
    return parser.parse_args()


def main() -> None:
    """Measure, and print tables on stdout."""
    options = _options()
    try:
        results = list(
            run(options.only, options.submissions, options.rest_api_submissions, options.repeat)
        )
    except BenchmarkError as error:
        sys.exit(f"benchmark: {error}")
    summary = figures(results)
    setting = f"pages of {PAGE_SIZE:,}, {os.cpu_count()} cores, median of {options.repeat}"
    lines = [setting, "", *_table(results), "", *_summary(summary)]
    print("\n".join(lines))  # noqa: T201
    if options.json:
        report = {"results": list(map(asdict, results)), "figures": list(map(asdict, summary))}
        print(json.dumps(report))  # noqa: T201


if __name__ == "__main__":
    main()
