"""`argos-sync report`."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from argos_sync.cli.common import Common


def report(
    common: Common,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="HTML file to create, or report to replace."),
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="DuckDB file to read, such as a published copy; overrides --destination.",
        ),
    ] = None,
) -> None:
    """Write an HTML report with charts of submissions, decisions, AML alerts and runs."""
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode
    from argos_sync.report import make_report

    target = common.target
    if file is not None:
        target = replace(target, destination="duckdb", file=str(file))
    settings = freshness_settings(common.project)
    written = make_report(
        target,
        out,
        now=datetime.now(UTC),
        bound=settings.sweep_days or None,
        zone=settings.reporting_time_zone,
        mode=output_file_mode(),
    )
    summary = {
        "file": str(written.file),
        "bytes": written.size,
        "sections": written.sections,
        "figures": written.figures,
    }
    missing = [f"{name} ({state})" for name, state in written.sections.items() if state != "shown"]
    lines = [f"{label}: {value}" for label, value in written.figures.items()]
    lines += [f"not shown: {', '.join(missing)}"] if missing else []
    common.show(summary, "\n".join([*lines, f"{written.file}: {written.size / 1000:,.0f} kB"]))
