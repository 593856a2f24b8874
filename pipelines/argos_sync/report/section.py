"""Define what a section of the report is made of, and build one from a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from argos_sync.load.sql import Client, ResultRows, select, tables_exist
from argos_sync.report.charts import Spec

_MAX_ROWS = 200
"""Maximum rows of a table, so the page stays small however large the warehouse is."""


@dataclass(frozen=True, slots=True)
class DataTable:
    """Hold the numbers behind a chart.

    Attributes:
        columns: Column headings; the first column labels the rows.
        rows: Formatted cells of each row.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def visible_rows(self) -> Sequence[Sequence[str]]:
        """Return the rows that fit on the page."""
        return self.rows[:_MAX_ROWS]


@dataclass(frozen=True, slots=True)
class Content:
    """Hold the content of a section.

    Attributes:
        text: One or two sentences.
        chart: Chart to render; None when there is nothing to show.
        table: Numbers behind the chart.
        figure: Key figure of the section: formatted value and label.
    """

    text: str
    chart: Spec | None = None
    table: DataTable | None = None
    figure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """Define a section: its query, and how to describe the result.

    Attributes:
        key: Name in the summary and in links.
        title: Heading.
        view: View that the query reads.
        query: SQL in the package's own dialect.
        describe: Builds the content from the rows, of which there is at least one.
        empty_text: Text when the query returns no rows.
    """

    key: str
    title: str
    view: str
    query: str
    describe: Callable[[ResultRows], Content]
    empty_text: str


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a section filled from the warehouse.

    Attributes:
        spec: Definition of the section.
        content: Content built from the warehouse.
        state: `shown`, `empty`, or `unavailable` when the warehouse lacks the data.
    """

    spec: SectionSpec
    content: Content
    state: str


def build_section(client: Client, spec: SectionSpec) -> Section:
    """Run a section's query and build its content, or say that the view is missing."""
    if not tables_exist(client, [spec.view]):
        missing = (
            f"The warehouse has no view {spec.view} yet. The next run of argos-sync creates it."
        )
        return Section(spec, Content(missing), "unavailable")
    rows = select(client, spec.query)
    if not rows:
        return Section(spec, Content(spec.empty_text), "empty")
    content = spec.describe(rows)
    return Section(spec, content, "shown" if content.table else "unavailable")
