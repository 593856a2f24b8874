"""Write what `argos-sync demo` prints: tables, example queries, and the next command."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent
from typing import Any

from argos_sync.cli.common import table
from argos_sync.cli.wording import counted

QUERIES = {
    "How long decisions take": """
        SELECT decided_by, result, COUNT(*) AS decisions,
            ROUND(MEDIAN(seconds_to_decision) / 60, 1) AS median_minutes,
            ROUND(QUANTILE_CONT(seconds_to_decision, 0.9) / 3600, 1) AS p90_hours
        FROM decisions
        GROUP BY ALL ORDER BY decisions DESC, result, decided_by""",
    "AML alerts that nobody has cleared": """
        SELECT age_days, nationality, risk_level_summary AS risk,
            COUNT(match_index) AS matches, MAX(score) AS highest_score
        FROM aml_open_alerts JOIN applicants USING (submission_id)
        GROUP BY submission_id, age_days, nationality, risk
        ORDER BY age_days DESC, submission_id LIMIT 5""",
    "Why applicants are rejected": """
        SELECT comment_code, meaning, SUM(rejected)::BIGINT AS rejected
        FROM rejection_reasons
        GROUP BY ALL ORDER BY rejected DESC, comment_code LIMIT 5""",
}
"""Example queries by title, printed with their results; run them after `USE argos`."""

_NEXT = "FROM retries_before_leaving"
"""The query to go on with; its command and its result fit into 80 columns."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Hold what the demo has loaded.

    Attributes:
        file: The DuckDB file.
        dataset: The dataset in it.
        run: The record of the run.
        rows: Numbers of rows by table.
        queries: Results of `QUERIES` by title.
        report: The HTML file of the report; None without the extra `report`.
    """

    file: str
    dataset: str
    run: Mapping[str, Any]
    rows: Mapping[str, int]
    queries: Mapping[str, Sequence[Mapping[str, Any]]]
    report: str | None

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        names = ("file", "report", "run", "rows", "queries")
        return {name: getattr(self, name) for name in names}


def answers_text(landed: Landed) -> str:
    """Return what landed, and the example queries with their results."""
    fetched = landed.run["submissions_fetched"]
    people = counted(fetched, "made-up submission is", "made-up submissions are")
    blocks = [f"{people} in {landed.file}\n", _row_counts(landed.rows)]
    for title, result in landed.queries.items():
        blocks.append(f"-- {title}{dedent(QUERIES[title])}")
        names = list(result[0]) if result else ["no rows"]
        blocks.append(table(names, [[str(row[name]) for name in names] for row in result]))
    return "\n".join(blocks)


def _row_counts(rows: Mapping[str, int]) -> str:
    """Return the tables that have rows, two beside each other."""
    cells = [(name, f"{count:,}") for name, count in rows.items() if count]
    half = (len(cells) + 1) // 2
    pairs = zip_longest(cells[:half], cells[half:], fillvalue=("", ""))
    return table(["table", "rows"] * 2, [[*left, *right] for left, right in pairs])


def next_text(landed: Landed) -> str:
    """Return where the report is, and a command that works in this folder."""
    report = f"Open {landed.report} in a browser for the report."
    if landed.report is None:
        report = "For a report, run pip install 'argos-sync[report]' and the demo again."
    command = [*_program(), "sql", "--duckdb", landed.file]
    if landed.dataset != "argos":
        command += ["--dataset", landed.dataset]
    return f"{report} Next, try:\n{shlex.join([*command, _NEXT])}"


def _program() -> list[str]:
    """Return how to call this program from this folder: by its name, if the PATH has it."""
    path = Path(sys.argv[0])
    on_path = shutil.which(path.name)
    if on_path and path.exists() and Path(on_path).samefile(path):
        return [path.name]
    relative = os.path.relpath(path)
    if relative.startswith(os.pardir):
        return [str(path.absolute())]
    # A shell does not look for a bare name in this folder.
    return [relative if os.sep in relative else f"{os.curdir}{os.sep}{relative}"]
