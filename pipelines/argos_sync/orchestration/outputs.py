"""Write the published copy and the report, and return what Dagster shows of them.

What a copy may contain is configured, not chosen with each run: Dagster's web page has no login.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.publish.pseudonyms import configured_pseudonymizer
from argos_sync.commands.publish.tables import public_tables
from argos_sync.config import Orchestration, freshness_settings
from argos_sync.fetch.windows import add_days
from argos_sync.load.target import Target
from argos_sync.process import output_file_mode
from argos_sync.report import make_report, scope_of


def published_table_names() -> list[str]:
    """Return the tables that are copied, over which the report's views are, too."""
    return [table.name for table in public_tables(strict=False)]


def publish_copy(target: Target, settings: Orchestration) -> dict[str, Any]:
    """Write the copy for analysts, and return its metadata: file, rows by table, and views.

    Raises:
        ConfigurationError: A setting is not valid, the file cannot be replaced, or the key for
            pseudonyms is missing or is not the warehouse's.
        DestinationError: The warehouse is empty, locked or unreachable, or the copy cannot be
            written.
    """
    option = "publish_pseudonyms"
    published = publish(
        target,
        Path(settings.publish_to),
        strict=settings.publish_strict,
        mode=output_file_mode(),
        zone=freshness_settings().reporting_time_zone,
        pseudonymizer=configured_pseudonymizer(option) if settings.publish_pseudonyms else None,
    )
    columns = [
        dg.TableColumn("table"),
        dg.TableColumn("rows", "bigint"),
        dg.TableColumn("written", "bigint", "Rows that this run has written"),
    ]
    records = [
        dg.TableRecord({"table": name, "rows": rows, "written": published.written.get(name, 0)})
        for name, rows in published.rows.items()
    ]
    return {
        "file": dg.MetadataValue.path(published.file),
        "rows": sum(published.rows.values()),
        "rows_written": sum(published.written.values()),
        "tables": dg.MetadataValue.table(records, dg.TableSchema(columns)),
        "views": dg.MetadataValue.json(list(published.views)),
        "columns_left_out": published.columns_left_out,
        "strict": settings.publish_strict,
        "pseudonyms": settings.publish_pseudonyms,
        "rewrite": published.rewrite or "none: the copy before was updated",
    }


def write_report(
    target: Target,
    settings: Orchestration,
    now: datetime,
    *,
    days: int,
    review_target_hours: float,
) -> dict[str, Any]:
    """Write the report, and return its metadata: file, period, and its figures as numbers.

    Args:
        target: Warehouse to read.
        settings: Where to write it.
        now: The current time.
        days: Length of the period, which ends today.
        review_target_hours: Time within which people should decide a pending submission.

    Raises:
        ConfigurationError: A setting is not valid, the period is impossible, the file cannot be
            replaced, or the package that renders charts is not installed.
        DestinationError: The warehouse is locked or unreachable, or the file cannot be written.
    """
    freshness = freshness_settings()
    zone = freshness.reporting_time_zone
    today = scope_of(now, zone=zone).period.last
    scope = replace(
        scope_of(now, zone=zone, first=add_days(today, 1 - days)),
        bound=freshness.sweep_days or None,
        review_target=timedelta(hours=review_target_hours),
    )
    written = make_report(target, Path(settings.report_out), scope, mode=output_file_mode())
    report = written.report
    missing = [f"{one.spec.key} ({one.state})" for one in report.sections if one.state != "shown"]
    return {
        "file": dg.MetadataValue.path(written.file),
        "bytes": written.size,
        "period": str(report.scope.period),
        "urgent": sum(one.is_urgent for one in report.attention.values()),
        "sections_not_shown": dg.MetadataValue.json(missing),
        **{one.key: one.value for one in report.figures if one.value is not None},
    }
