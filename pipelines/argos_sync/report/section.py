"""Define what a section of the report is made of, and build one from a query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from argos_sync.load.sql import Client, ResultRows, select, tables_exist
from argos_sync.report.charts import Spec
from argos_sync.report.figures import Figure
from argos_sync.report.scope import Scope
from argos_sync.warehouse.copied_views import read_missing_as_null


@dataclass(frozen=True, slots=True)
class DataTable:
    """Hold the numbers behind a chart, as formatted cells; the first of a row is its label."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Content:
    """Hold the content of a section: a sentence or two, and a chart if there is anything to show.

    `table` has the numbers behind the chart. Without a chart the text says why; `is_missing` that
    the warehouse lacks the data.
    """

    text: str
    chart: Spec | None = None
    table: DataTable | None = None
    figures: Sequence[Figure] = ()
    is_missing: bool = False


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """Define a section: the tables and views its query reads, and how to describe the result.

    `key` names it in the summary and in links. `query` is SQL in the package's own dialect, with
    the placeholders of `Scope.fill_in`. When it returns no rows, `empty_text` takes the place of
    `describe`.
    """

    key: str
    title: str
    reads: Sequence[str]
    query: str
    describe: Callable[[ResultRows, Scope], Content]
    empty_text: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Define a chapter of the report; `shows_figures` puts its figures at its top."""

    key: str
    title: str
    sections: Sequence[SectionSpec]
    shows_figures: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a section filled from the warehouse.

    Its state is `shown`, `empty` when there is nothing to draw, or `unavailable` when the warehouse
    lacks the data.
    """

    spec: SectionSpec
    content: Content
    state: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Read queries about a scope from a warehouse, each once."""

    client: Client
    scope: Scope
    _rows: dict[str, ResultRows] = field(default_factory=dict)

    def rows(self, query: str) -> ResultRows:
        """Return the rows of a query with the placeholders of `Scope.fill_in`."""
        if query not in self._rows:
            text = read_missing_as_null(self.client, self.scope.fill_in(query))
            self._rows[query] = select(self.client, text)
        return self._rows[query]

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the tables and views that do not exist."""
        if tables_exist(self.client, names):
            return []
        return [name for name in names if not tables_exist(self.client, [name])]


def build_section(reader: Reader, spec: SectionSpec) -> Section:
    """Run a section's query and build its content, or say which view is missing."""
    if missing := reader.missing(spec.reads):
        text = (
            f"The warehouse has no {' and no '.join(missing)} yet. The next run of argos-sync"
            " creates what the loaded sections allow."
        )
        return Section(spec, Content(text), "unavailable")
    rows = reader.rows(spec.query)
    if not rows:
        return Section(spec, Content(spec.empty_text), "empty")
    content = spec.describe(rows, reader.scope)
    nothing = "unavailable" if content.is_missing else "empty"
    return Section(spec, content, "shown" if content.chart else nothing)
