"""`argos-sync demo`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common, table
from argos_sync.cli.progress import ProgressDisplay
from argos_sync.cli.wording import counted

if TYPE_CHECKING:
    from argos_sync.load.sql import Client

FILE = "kyc_demo.duckdb"

QUERIES = {
    "How long decisions take": """
        SELECT s.reviewer, k.result, COUNT(*) AS submissions,
            ROUND(MEDIAN(DATE_DIFF('second', s.created_at, s.kyc_result_at)) / 60, 1)
                AS median_minutes,
            ROUND(QUANTILE_CONT(DATE_DIFF('second', s.created_at, s.kyc_result_at), 0.9) / 3600, 1)
                AS p90_hours
        FROM submissions AS s JOIN kyc AS k USING (submission_id)
        WHERE s.kyc_result_at IS NOT NULL
        GROUP BY ALL ORDER BY submissions DESC, result, reviewer""",
    "Why applicants are rejected": """
        SELECT c.comment_code, COUNT(*) AS rejected, MIN(c.comment) AS comment,
            ROUND(AVG(a.attempts), 1) AS attempts
        FROM kyc_comments AS c
        LEFT JOIN (SELECT submission_id, COUNT(*) AS attempts FROM attempts GROUP BY ALL) AS a
            USING (submission_id)
        GROUP BY ALL ORDER BY rejected DESC, comment_code LIMIT 6""",
    "AML alerts that nobody has cleared": """
        SELECT CAST(s.created_at AS DATE) AS created, p.nationality,
            a.risk_level_summary AS risk, COUNT(DISTINCT m.match_index) AS matches,
            MAX(m.score) AS highest_score,
            STRING_AGG(DISTINCT i.risk_icon, ', ' ORDER BY i.risk_icon) AS icons
        FROM aml AS a JOIN submissions AS s USING (submission_id)
        JOIN applicants AS p USING (submission_id) JOIN matches AS m USING (submission_id)
        LEFT JOIN match_risk_icons AS i USING (submission_id, match_index)
        WHERE a.current_status = 'Red Flag'
        GROUP BY s.submission_id, created, p.nationality, risk
        ORDER BY created DESC, s.submission_id LIMIT 6""",
}
"""Example queries by title, printed with their results; run them after `USE argos`."""

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
        int, typer.Option("--count", "-n", min=1, help="Number of submissions.")
    ] = 500,
) -> None:
    """Sync a bundled stand-in API into its own DuckDB file and show the result."""
    with common.show_progress() as display:
        fetched, dataset, summary = _load(common, count, display)
    common.show(summary, _text(fetched, dataset, summary["rows"], summary["queries"]))


def _load(common: Common, count: int, display: ProgressDisplay) -> tuple[int, str, dict[str, Any]]:
    """Load the demo; return the number of submissions, the dataset, and what its JSON has."""
    import tempfile
    from dataclasses import replace
    from datetime import UTC, datetime, timedelta
    from pathlib import Path

    from argos_sync.commands.sync import sync
    from argos_sync.emulator import Emulator, generate
    from argos_sync.load.read_only import open_read_only
    from argos_sync.load.target import locate
    from argos_sync.warehouse.overview import read_overview

    # The demo has its own file, so that made-up people never mix with real ones.
    demo_target = replace(common.target, destination="duckdb", file=FILE)
    dataset = locate(demo_target).dataset  # refuses an invalid name before the file is replaced
    Path(FILE).unlink(missing_ok=True)
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=364)
    submissions = generate(count, start=first, end=last, projected_share=_PROJECTED)
    with tempfile.TemporaryDirectory() as temporary, Emulator(submissions) as api:
        for submission_id in api.store.sample(_DELETED):
            api.delete(submission_id)
        folder = common.target.pipelines_dir or temporary
        target = replace(demo_target, pipelines_dir=folder)
        settings = _SETTINGS | {"base_url": api.base_url}
        with common.context(settings, display) as context:
            run = sync(replace(context, target=target))
        with open_read_only(target) as warehouse:
            rows = read_overview(warehouse.client).rows
            results = {title: _query(warehouse.client, sql) for title, sql in QUERIES.items()}
    summary = {"file": FILE, "run": run.row(), "rows": rows, "queries": results}
    return run.submissions_fetched, dataset, summary


def _query(client: "Client", sql: str) -> list[dict[str, Any]]:
    from argos_sync.load.sql import stream_native

    with stream_native(client, sql) as cursor:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(
    fetched: int, dataset: str, rows: dict[str, int], results: dict[str, list[dict[str, Any]]]
) -> str:
    from textwrap import dedent

    blocks = [f"{counted(fetched, 'made-up submission is', 'made-up submissions are')} in {FILE}\n"]
    blocks.append(table(["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()]))
    for title, result in results.items():
        blocks.append(f"-- {title}{dedent(QUERIES[title])}")
        names = list(result[0]) if result else ["no rows"]
        blocks.append(table(names, [[str(row[name]) for name in names] for row in result]))
    blocks.append(f"To query it yourself: duckdb {FILE}, then USE {dataset};")
    return "\n".join(blocks)
