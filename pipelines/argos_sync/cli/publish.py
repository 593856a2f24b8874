"""`argos-sync publish`."""

from importlib.util import find_spec
from typing import Annotated, Literal

import typer

from argos_sync.cli.common import Common, table
from argos_sync.cli.wording import counted


def publish(
    common: Common,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FILE_OR_URL",
            help="DuckDB file to create or to replace, or folder or URL of a change log.",
        ),
    ],
    file_format: Annotated[
        Literal["duckdb", "delta"],
        typer.Option(
            "--format",
            help="A copy in a DuckDB file, or a change log in Delta tables, to which a publish"
            " appends what has changed.",
        ),
    ] = "duckdb",
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out columns of class quasi as well.")
    ] = False,
    views: Annotated[
        Literal["duckdb", "spark", "trino", "athena", "snowflake"] | None,
        typer.Option(
            metavar="ENGINE",
            help="Publish nothing; print the SQL of the change log's tables and views for an"
            " engine: duckdb, spark, trino, athena or snowflake.",
        ),
    ] = None,
) -> None:
    """Copy the warehouse for analysts, without the columns that identify a person."""
    if views is not None and file_format != "delta":
        raise typer.BadParameter("--views is for a change log: add --format delta")
    if file_format == "duckdb":
        _publish_file(common, to, strict=strict)
        return
    if find_spec("deltalake") is None:
        from argos_sync.api.errors import ConfigurationError

        raise ConfigurationError(
            "--format delta needs the package deltalake, which is not installed",
            "pip install 'argos-sync[delta]'",
        )
    if views is None:
        _publish_changes(common, to, strict=strict)
    else:
        from argos_sync.commands.change_log_views import current_views

        sql = current_views(views, to, common.target.dataset, strict=strict)
        common.show({"sql": sql}, sql.rstrip())


def _publish_file(common: Common, to: str, *, strict: bool) -> None:
    """Write the DuckDB file, and show what is in it."""
    from pathlib import Path

    from argos_sync.commands.publish import publish as copy
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode

    zone = freshness_settings(common.project).reporting_time_zone
    published = copy(common.target, Path(to), strict=strict, mode=output_file_mode(), zone=zone)
    summary = {
        "file": str(published.file),
        "strict": strict,
        "tables": published.rows,
        "views": published.views,
        "columns_left_out": published.columns_left_out,
    }
    rows = table(["table", "rows"], [[name, f"{n:,}"] for name, n in published.rows.items()])
    left_out = counted(published.columns_left_out, "column")
    views = counted(len(published.views), "view")
    common.show(summary, f"{rows}{published.file}: {left_out} left out; {views}")


def _publish_changes(common: Common, to: str, *, strict: bool) -> None:
    """Write a load of the change log, and show what is in it."""
    from dataclasses import asdict

    from argos_sync.commands.change_log import publish_changes

    result = publish_changes(common.target, to, strict=strict)
    rows = [[name, f"{count:,}"] for name, count in result.rows.items() if count]
    changes = ", ".join(f"{count:,} {kind}" for kind, count in result.submissions.items())
    kind = f"rewritten, because {result.rewrite}" if result.rewrite else "changes appended"
    common.show(
        asdict(result) | {"strict": strict},
        f"{table(['table', 'rows'], rows) if rows else ''}{result.url}, load {result.load}: {kind};"
        f" submissions: {changes}",
    )
