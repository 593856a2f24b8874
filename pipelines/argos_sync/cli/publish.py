"""The command that gives the warehouse to analysts: publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argos_sync.cli.common import Common, table


def publish(
    common: Common,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="DuckDB file to make or to replace.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out columns of class quasi too.")
    ] = False,
) -> None:
    """Copy the warehouse for analysts, without what identifies a person."""
    from argos_sync.commands.publish import publish as copy
    from argos_sync.process import output_file_mode

    done = copy(common.target, to, strict=strict, mode=output_file_mode())
    summary = {
        "file": str(done.file),
        "strict": strict,
        "tables": done.rows,
        "views": list(done.views),
        "columns_left_out": done.columns_left_out,
    }
    rows = table(["table", "rows"], [[name, f"{n:,}"] for name, n in done.rows.items()])
    common.show(
        summary,
        f"{rows}{done.file}: {done.columns_left_out} columns left out; {len(done.views)} views",
    )
