"""Write an HTML report about a warehouse, for `argos-sync report`.

In: the views of a warehouse or of a published copy, read-only. Out: one HTML file with charts,
tables and key figures. It has aggregates only, never a value of a single submission.

`queries` lists the sections and their SQL; `submissions`, `screening` and `operations` turn rows
into text, charts and tables; `charts` renders SVG; `page` assembles the HTML.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pendulum

from argos_sync.load.atomic_file import (
    FileType,
    atomic_replacement,
    check_output_path,
    refuse_warehouse,
    write_errors,
)
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.report.charts import load_renderer
from argos_sync.report.page import FILE_MARK, render_page
from argos_sync.report.queries import section_specs
from argos_sync.report.section import build_section
from argos_sync.warehouse.views import UTC

__all__ = ["ReportSummary", "make_report"]

REPORT_FILE = FileType("a report", FILE_MARK)


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """Describe a report that was written: an HTML file, its size in bytes and its key figures.

    A section is `shown`, `empty` or `unavailable`. Figures are by label, sections by key.
    """

    file: Path
    size: int
    sections: dict[str, str]
    figures: dict[str, str]


def make_report(
    target: Target,
    file: Path,
    *,
    now: datetime,
    bound: int | None,
    zone: str = UTC,
    mode: int = 0o600,
) -> ReportSummary:
    """Write the report of a warehouse, replacing an earlier report.

    Each section runs one query, so sections may differ by a few rows while a run is loading.

    Args:
        target: Warehouse or published copy to read.
        file: HTML file to create, or report to replace; symbolic links are followed.
        now: Time shown on the page, and end of its charts.
        bound: Maximum age of a row in days (`sweep_days`); None when the sweep is off.
        zone: Reporting time zone, an IANA name: that of the views' days and weeks.
        mode: Permissions of a new file; a replaced file keeps its own.

    Raises:
        ConfigurationError: The package that renders charts is not installed, the file cannot be
            replaced, or the destination is unknown.
        DestinationError: The warehouse is locked or unreachable, or the file cannot be written.
    """
    load_renderer()
    path = check_output_path(file, REPORT_FILE)
    with open_read_only(target) as warehouse:
        if (source := duckdb_file(warehouse.client)) is not None:
            refuse_warehouse(path, source)
        specs = section_specs(bound, pendulum.instance(now).in_timezone(zone).date(), zone)
        sections = [build_section(warehouse.client, spec) for spec in specs]
        html = render_page(sections, str(warehouse.client.dataset_name), now).encode()
    with atomic_replacement(path, mode, REPORT_FILE) as new, write_errors(path):
        new.write_bytes(html)
    figures = [section.content.figure for section in sections if section.content.figure]
    states = {section.spec.key: section.state for section in sections}
    return ReportSummary(path, len(html), states, {label: value for value, label in figures})
