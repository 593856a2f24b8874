"""`argos-sync publish`."""

from pathlib import Path
from typing import Annotated

import typer

from argos_sync.cli.common import Common, table


def publish(
    common: Common,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="DuckDB file to create or to replace.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out columns of class quasi as well.")
    ] = False,
) -> None:
    """Copy the warehouse for analysts, without the columns that identify a person."""
    from argos_sync.commands.publish import publish as copy
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode

    zone = freshness_settings(common.project).reporting_time_zone
    published = copy(common.target, to, strict=strict, mode=output_file_mode(), zone=zone)
    summary = {
        "file": str(published.file),
        "strict": strict,
        "tables": published.rows,
        "views": published.views,
        "columns_left_out": published.columns_left_out,
    }
    rows = table(["table", "rows"], [[name, f"{n:,}"] for name, n in published.rows.items()])
    views = len(published.views)
    common.show(
        summary,
        f"{rows}{published.file}: {published.columns_left_out} columns left out; {views} views",
    )
