"""`argos-sync demo`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.common import Common, table

if TYPE_CHECKING:
    from argos_sync.load.sql import Client

FILE = "kyc_demo.duckdb"

QUERIES = {
    "KYC results by reviewer": """
        SELECT k.result, s.reviewer, COUNT(*) AS submissions
        FROM submissions AS s JOIN kyc AS k USING (submission_id)
        GROUP BY ALL ORDER BY submissions DESC, result, reviewer LIMIT 8""",
    "Approved despite a high-risk AML match": """
        SELECT s.submission_id, p.nationality, a.current_status, MAX(m.score) AS highest_score
        FROM submissions AS s JOIN kyc AS k USING (submission_id)
        JOIN applicants AS p USING (submission_id) JOIN aml AS a USING (submission_id)
        JOIN matches AS m USING (submission_id)
        WHERE k.result = 'approved' AND m.risk_level = 'HIGH'
        GROUP BY ALL ORDER BY highest_score DESC, submission_id LIMIT 5""",
    "Why applicants repeat an attempt": """
        SELECT r.retry_code, COUNT(*) AS retries, ROUND(AVG(t.liveness_score), 3) AS mean_liveness
        FROM attempt_retries AS r JOIN attempts AS t USING (submission_id, attempt_index)
        GROUP BY ALL ORDER BY retries DESC, retry_code LIMIT 5""",
}
"""Example queries by title, printed with their results; run them after `USE argos`."""

_SETTINGS = {"api_key": "demo", "encryption": "off", "request_types": "", "start_date": ""}
"""Settings that override those of the real API."""


def demo(
    common: Common,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Number of submissions.")
    ] = 500,
) -> None:
    """Sync a bundled stand-in API into its own DuckDB file and show the result."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from argos_sync.commands.sync import sync
    from argos_sync.emulator import Emulator, generate
    from argos_sync.load.read_only import open_read_only
    from argos_sync.warehouse.overview import read_overview

    # The demo has its own file, so that made-up people never mix with real ones.
    Path(FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as temporary, Emulator(generate(count)) as api:
        folder = common.target.pipelines_dir or temporary
        target = replace(common.target, destination="duckdb", file=FILE, pipelines_dir=folder)
        with common.context(_SETTINGS | {"base_url": api.base_url}) as context:
            run = sync(replace(context, target=target))
        with open_read_only(target) as warehouse:
            rows = read_overview(warehouse.client).rows
            results = {title: _query(warehouse.client, sql) for title, sql in QUERIES.items()}
    summary = {"file": FILE, "run": run.row(), "rows": rows, "queries": results}
    common.show(summary, _text(run.submissions_fetched, common.target.dataset, rows, results))


def _query(client: "Client", sql: str) -> list[dict[str, Any]]:
    from argos_sync.load.sql import stream_native

    with stream_native(client, sql) as cursor:
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _text(
    fetched: int, dataset: str, rows: dict[str, int], results: dict[str, list[dict[str, Any]]]
) -> str:
    from textwrap import dedent

    blocks = [f"{fetched:,} made-up submissions are in {FILE}\n"]
    blocks.append(table(["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()]))
    for title, result in results.items():
        blocks.append(f"-- {title}{dedent(QUERIES[title])}")
        names = list(result[0]) if result else ["no rows"]
        blocks.append(table(names, [[str(row[name]) for name in names] for row in result]))
    blocks.append(f"To query it yourself: duckdb {FILE}, then USE {dataset};")
    return "\n".join(blocks)
