"""`argos-sync publish`."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from argos_sync.cli.common import Common, table
from argos_sync.cli.wording import counted

if TYPE_CHECKING:
    from argos_sync.shape.pseudonyms import Pseudonymizer

log = logging.getLogger("argos_sync")


@dataclass(frozen=True, slots=True)
class Contents:
    """What is published."""

    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out columns of class quasi as well.")
    ] = False
    pseudonyms: Annotated[
        bool,
        typer.Option(
            "--pseudonyms",
            help="Add keyed hashes of people, e-mail addresses, documents and the like, which join"
            " across tables and publications; needs the privacy key.",
        ),
    ] = False


def publish(
    common: Common,
    contents: Contents,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FILE_OR_URL",
            help="DuckDB file or folder of Parquet files to create or to replace, or folder or URL"
            " of a change log.",
        ),
    ],
    file_format: Annotated[
        Literal["duckdb", "parquet", "delta"],
        typer.Option(
            "--format",
            help="A copy in a DuckDB file or in Parquet files, or a change log in Delta tables, to"
            " which a publish appends what has changed.",
        ),
    ] = "duckdb",
    dbt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml",
            help="Write the dbt sources of the copy as well: its tables, views and columns.",
        ),
    ] = None,
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
    if dbt is not None:
        _check_dbt_sources(dbt, file_format)
    if file_format == "delta" and find_spec("deltalake") is None:
        from argos_sync.api.errors import ConfigurationError

        raise ConfigurationError(
            "--format delta needs the package deltalake, which is not installed",
            "pip install 'argos-sync[delta]'",
        )
    if views is not None:
        from argos_sync.commands.publish.change_log_views import current_views

        sql = current_views(views, to, common.target.dataset, **asdict(contents))
        common.show({"sql": sql}, sql.rstrip())
        return
    pseudonymizer = _pseudonymizer(common) if contents.pseudonyms else None
    write = {
        "duckdb": _publish_file,
        "parquet": _publish_folder,
        "delta": _publish_changes,
    }
    write[file_format](common, to, contents, pseudonymizer)
    if dbt is not None:
        _write_dbt_sources(common, to, dbt)


def _check_dbt_sources(output: Path, file_format: str) -> None:
    """Refuse dbt sources that cannot be written, before anything is published.

    Raises:
        ConfigurationError: Something else is at the path.
    """
    from argos_sync.dictionary import check_sources_path

    if file_format != "duckdb":
        raise typer.BadParameter("--dbt is for a DuckDB file: leave out --format")
    check_sources_path(output)


def _write_dbt_sources(common: Common, copy: str, output: Path) -> None:
    """Write the dbt sources of a copy."""
    from argos_sync.dictionary import write_copy_sources
    from argos_sync.load.target import locate
    from argos_sync.process import output_file_mode

    path = write_copy_sources(Path(copy), locate(common.target).dataset, output, output_file_mode())
    log.info("publish: dbt sources in %s", path)


def _pseudonymizer(common: Common) -> "Pseudonymizer":
    """Return what makes pseudonyms with the configured keys."""
    from argos_sync.commands.publish.pseudonyms import configured_pseudonymizer

    return configured_pseudonymizer("--pseudonyms", common.project)


def _publish_file(
    common: Common, to: str, contents: Contents, pseudonymizer: "Pseudonymizer | None"
) -> None:
    """Write the DuckDB file, and show what is in it."""
    from argos_sync.commands.publish.duckdb_copy import publish as copy
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode

    published = copy(
        common.target,
        Path(to),
        strict=contents.strict,
        mode=output_file_mode(),
        zone=freshness_settings(common.project).reporting_time_zone,
        pseudonymizer=pseudonymizer,
    )
    summary = {
        "file": str(published.file),
        **asdict(contents),
        "tables": published.rows,
        "views": published.views,
        "columns_left_out": published.columns_left_out,
        "rewrite": published.rewrite,
        "written": published.written,
    }
    written = sum(published.written.values())
    kind = f"rewritten, because {published.rewrite}" if published.rewrite else "updated"
    left_out = counted(published.columns_left_out, "column")
    views = counted(len(published.views), "view")
    common.show(
        summary,
        f"{_counts(published.rows)}{published.file}: {left_out} left out; {views}; {kind}:"
        f" {counted(written, 'row')} written",
    )


def _publish_folder(
    common: Common, to: str, contents: Contents, pseudonymizer: "Pseudonymizer | None"
) -> None:
    """Write the Parquet files, and show what is in them."""
    from argos_sync.commands.publish.parquet_folder import publish_parquet
    from argos_sync.config import freshness_settings
    from argos_sync.process import output_file_mode

    published = publish_parquet(
        common.target,
        to,
        strict=contents.strict,
        mode=output_file_mode(),
        zone=freshness_settings(common.project).reporting_time_zone,
        pseudonymizer=pseudonymizer,
    )
    removed = f"; the version before was removed, because {published.removed}"
    common.show(
        asdict(published) | asdict(contents),
        f"{_counts(published.rows)}{published.version}: {len(published.written)} files written,"
        f" {len(published.rows) + 1 - len(published.written)} shared with the version before"
        f"{removed if published.removed else ''}",
    )


def _publish_changes(
    common: Common, to: str, contents: Contents, pseudonymizer: "Pseudonymizer | None"
) -> None:
    """Write a load of the change log, and show what is in it."""
    from argos_sync.commands.publish.change_log import publish_changes
    from argos_sync.process import output_file_mode

    result = publish_changes(
        common.target,
        to,
        strict=contents.strict,
        mode=output_file_mode(),
        pseudonymizer=pseudonymizer,
    )
    rows = {name: count for name, count in result.rows.items() if count}
    changes = ", ".join(f"{count:,} {kind}" for kind, count in result.submissions.items())
    kind = f"rewritten, because {result.rewrite}" if result.rewrite else "changes appended"
    common.show(
        asdict(result) | asdict(contents),
        f"{_counts(rows) if rows else ''}{result.url}, load {result.load}: {kind};"
        f" submissions: {changes}",
    )


def _counts(rows: Mapping[str, int]) -> str:
    """Return a text table of the number of rows by table."""
    return table(["table", "rows"], [[name, f"{count:,}"] for name, count in rows.items()])
