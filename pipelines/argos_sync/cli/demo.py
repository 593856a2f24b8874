"""`argos-sync demo`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common
from argos_sync.cli.demo_text import QUERIES, Landed, answers_text, next_text
from argos_sync.cli.progress import ProgressDisplay
from argos_sync.cli.report import ScopeOptions
from argos_sync.emulator_options import MAX_SUBMISSIONS
from argos_sync.process import output_file_mode

if TYPE_CHECKING:
    from argos_sync.load.sql import Client
    from argos_sync.load.target import Target

FILE, REPORT = "kyc_demo.duckdb", "kyc_demo.html"

_SETTINGS = {
    "api_key": "demo",
    "encryption": "off",
    "request_types": "",
    "completeness": "auto",
    "start_date": "",
    "max_requests_per_second": 1_000.0,
}
"""Settings that override those of the real API; nothing limits requests to the emulator."""

_PROJECTED, _DELETED = 0.02, 0.01
"""Shares of submissions of which a projection hides fields, and which are deleted."""


def demo(
    common: Common,
    count: Annotated[
        int,
        typer.Option("--count", "-n", min=1, max=MAX_SUBMISSIONS, help="Number of submissions."),
    ] = 500,
) -> None:
    """Sync a bundled stand-in API into its own DuckDB file and show the result."""
    with common.show_progress() as display:
        landed = _load(common, count, display)
    if not common.as_json:
        # The report takes as long as half of the sync, and the answers need not wait for it.
        common.show({}, answers_text(landed))
    if landed.report:
        with common.show_progress() as display:
            display.enter_stage("writing the report")
            _write_report(common)
    common.show(landed.as_json(), next_text(landed))


def _load(common: Common, count: int, display: ProgressDisplay) -> Landed:
    """Load the demo and query it; return what landed."""
    import tempfile
    from datetime import UTC, datetime, timedelta

    from argos_sync.emulator import Emulator, generate

    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=364)
    submissions = generate(count, start=first, end=last, projected_share=_PROJECTED)
    with tempfile.TemporaryDirectory() as temporary, Emulator(submissions) as api:
        for submission_id in api.store.sample(_DELETED):
            api.delete(submission_id)
        settings = _SETTINGS | {"base_url": api.base_url}
        # The imports below take their time, as do those of the fetch process that this starts.
        with common.context(settings, display) as context:
            from argos_sync.commands.sync import sync
            from argos_sync.load.target import locate

            # The demo has its own file, so that made-up people never mix with real ones.
            folder = common.target.pipelines_dir or temporary
            target = replace(common.target, destination="duckdb", file=FILE, pipelines_dir=folder)
            dataset = locate(target).dataset  # refuses an invalid name before a file is replaced
            can_report = _can_write_report()
            Path(FILE).unlink(missing_ok=True)
            run = sync(replace(context, target=target))
        rows, results = _read(target)
    return Landed(FILE, dataset, run.as_json(), rows, results, REPORT if can_report else None)


def _read(target: "Target") -> tuple[dict[str, int], dict[str, list[dict[str, Any]]]]:
    """Return the number of rows by table, and the results of the example queries by title."""
    from argos_sync.load.read_only import open_read_only
    from argos_sync.load.sql import count_rows
    from argos_sync.shape.contract import load_contract

    with open_read_only(target) as warehouse:
        rows = {name: count_rows(warehouse.client, name) for name in load_contract().tables}
        return rows, {title: _query(warehouse.client, sql) for title, sql in QUERIES.items()}


def _query(client: "Client", sql: str) -> list[dict[str, Any]]:
    from argos_sync.load.sql import stream_native

    with stream_native(client, sql) as cursor:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _can_write_report() -> bool:
    """Tell whether the extra that draws charts is installed.

    Raises:
        ConfigurationError: Something that is not a report has the report's name.
    """
    from importlib.util import find_spec

    from argos_sync.load.atomic_file import check_output_path
    from argos_sync.report import REPORT_FILE

    if find_spec("vl_convert") is None:
        return False
    check_output_path(Path(REPORT), REPORT_FILE)
    return True


def _write_report(common: Common) -> None:
    from argos_sync.config import freshness_settings
    from argos_sync.report import make_report

    target = replace(common.target, destination="duckdb", file=FILE)
    scope = ScopeOptions().scope(freshness_settings(common.project))
    make_report(target, Path(REPORT), scope, mode=output_file_mode())
