"""The command that shows the warehouse to people: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argos_sync.cli.common import Common


def report(
    common: Common,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="HTML file to make or to replace.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="DuckDB file to read, such as a published copy; goes before --destination.",
        ),
    ] = None,
) -> None:
    """Write one page of charts: submissions, decisions, reasons, AML alerts, age, runs."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from argos_sync.config import sweep_days
    from argos_sync.process import output_file_mode
    from argos_sync.report import make_report

    target = common.target
    if file is not None:
        target = replace(target, destination="duckdb", file=str(file))
    made = make_report(
        target,
        out,
        now=datetime.now(UTC),
        bound=sweep_days(common.project) or None,
        mode=output_file_mode(),
    )
    summary = {
        "file": str(made.file),
        "bytes": made.size,
        "sections": made.sections,
        "figures": made.figures,
    }
    missing = [f"{name} ({state})" for name, state in made.sections.items() if state != "shown"]
    lines = [f"{what}: {value}" for what, value in made.figures.items()]
    lines += [f"not shown: {', '.join(missing)}"] if missing else []
    common.show(summary, "\n".join([*lines, f"{made.file}: {made.size / 1000:,.0f} kB"]))
