"""Define what a section of the report is made of, and build one from a query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from argos_sync.load.sql import (
    Client,
    ResultRows,
    select,
    stream_native,
    tables_exist,
    translate,
)
from argos_sync.report.charts import Spec


@dataclass(frozen=True, slots=True)
class DataTable:
    """Hold the numbers behind a chart, as formatted cells; the first of a row is its label."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Content:
    """Hold the content of a section: a sentence or two, and a chart if there is anything to show.

    `table` has the numbers behind the chart; the key figure is a formatted value and its label.
    """

    text: str
    chart: Spec | None = None
    table: DataTable | None = None
    figure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """Define a section: the view and the query it reads, and how to describe the result.

    `key` names it in the summary and in links. `query` is SQL in the package's own dialect. When it
    returns no rows, `empty_text` takes the place of `describe`. `optional` is a column of the query
    that the view of a published copy may lack; then `describe` is given no rows.
    """

    key: str
    title: str
    view: str
    query: str
    describe: Callable[[ResultRows], Content]
    empty_text: str = "There are no submissions yet."
    optional: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a section filled from the warehouse.

    Its state is `shown`, `empty`, or `unavailable` when the warehouse lacks the data.
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
    if spec.optional and spec.optional not in _columns(client, spec.view):
        return Section(spec, spec.describe(()), "unavailable")
    rows = select(client, spec.query)
    if not rows:
        return Section(spec, Content(spec.empty_text), "empty")
    content = spec.describe(rows)
    return Section(spec, content, "shown" if content.table else "unavailable")


def _columns(client: Client, view: str) -> set[str]:
    """Return the names of a view's columns, in small letters."""
    query, _ = translate(client, f"SELECT * FROM {view} WHERE 1 = 0")  # noqa: S608 a name
    with stream_native(client, query) as cursor:
        return {str(column[0]).lower() for column in cursor.description or ()}
