"""Write an HTML report about a warehouse, for `argos-sync report`.

In: the views of a warehouse or of a published copy, read-only. Out: one HTML file with charts,
tables and key figures. It has aggregates only, never a value of a single submission.

`scope` says which days it is about; `chapters` lists its sections and `queries` their SQL;
`attention` finds what is urgent; `submissions`, `decisions`, `groups`, `screening` and `operations`
turn rows into text, charts and tables; `charts` and
`charts_over_time` build charts, which `rendering` draws; `contents`
reads it all, and `page` assembles the HTML.
"""

from dataclasses import dataclass
from pathlib import Path

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
from argos_sync.report.attention import QUESTIONS
from argos_sync.report.contents import Report, read_report
from argos_sync.report.page import FILE_MARK, render_page
from argos_sync.report.rendering import load_renderer
from argos_sync.report.scope import Period, Scope, scope_of

__all__ = ["ATTENTION", "Period", "Report", "Scope", "WrittenReport", "make_report", "scope_of"]

ATTENTION = tuple(question.key for question in QUESTIONS)
"""Keys of what may need attention; a report lacks those of which the data cannot tell."""

REPORT_FILE = FileType("a report", FILE_MARK)


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """Describe a report that was written: an HTML file, its size in bytes, and what it says."""

    file: Path
    size: int
    report: Report


def make_report(target: Target, file: Path, scope: Scope, *, mode: int = 0o600) -> WrittenReport:
    """Write the report of a warehouse, replacing an earlier report.

    Each section runs one query, so sections may differ by a few rows while a run is loading.

    Args:
        target: Warehouse or published copy to read.
        file: HTML file to create, or report to replace; symbolic links are followed.
        scope: Days the report is about, and the time shown on the page.
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
        report = read_report(warehouse.client, scope)
    html = render_page(report).encode()
    with atomic_replacement(path, mode, REPORT_FILE) as new, write_errors(path):
        new.write_bytes(html)
    return WrittenReport(path, len(html), report)
