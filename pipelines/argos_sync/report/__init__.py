"""One page of charts about a warehouse: what it holds, and how well argos-sync keeps it.

`section_specs` says what is asked of the views for analysts and in which order; `submissions`,
`screening` and `operation` make sentences, charts and numbers of the answers, purely; `charts`
draws, `render_page` puts it together. A page tells of groups only, never of one submission.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from argos_sync.load.atomic_file import (
    FileType,
    atomic_replacement,
    check_output_path,
    refuse_warehouse,
    write_errors,
)
from argos_sync.load.pipeline import Target, duckdb_file, open_read_only
from argos_sync.report.page import FILE_MARK, render_page
from argos_sync.report.queries import section_specs
from argos_sync.report.section import build_section

REPORT_FILE = FileType("a report", FILE_MARK)


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What was made.

    Attributes:
        file: The page.
        size: In bytes.
        sections: What became of each: `shown`, `empty` or `unavailable`.
        figures: The most important numbers, by what they are.
    """

    file: Path
    size: int
    sections: dict[str, str]
    figures: dict[str, str]


def make_report(
    target: Target, file: Path, *, now: datetime, bound: int | None, mode: int = 0o600
) -> ReportSummary:
    """Write the report of a warehouse or of a published copy, in the place of an earlier one.

    Each section is asked for by one query: while a run is loading they may differ by a few rows.

    Args:
        target: Where the warehouse is.
        file: HTML file to make, or report to replace; links are followed.
        now: When it is made.
        bound: Days within which every row is to be fetched again; None when there is none.
        mode: Permissions of a new file; one that is replaced passes on its own.

    Raises:
        ConfigurationError: The file cannot be replaced, or the destination is not known.
        DestinationError: The warehouse is locked or not reachable, or the page cannot be written.
    """
    place = check_output_path(file, REPORT_FILE)
    with open_read_only(target) as warehouse:
        if (source := duckdb_file(warehouse.storage)) is not None:
            refuse_warehouse(place, source)
        sections = [build_section(warehouse.client, topic) for topic in section_specs(bound)]
    text = render_page(sections, target.dataset, now).encode()
    with atomic_replacement(place, mode, REPORT_FILE) as new, write_errors(place):
        new.write_bytes(text)
    return ReportSummary(
        place,
        len(text),
        {one.topic.key: one.state for one in sections},
        {one.told.figure[1]: one.told.figure[0] for one in sections if one.told.figure},
    )
