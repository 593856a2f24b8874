"""What a part of the report is made of: what is asked, and what is told of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from argos_sync.load.sql import Client, ResultRows, select, tables_exist
from argos_sync.report.charts import Spec

_MOST_ROWS = 200
"""How many rows a table has at most: the page stays small whatever the warehouse holds."""


@dataclass(frozen=True, slots=True)
class DataTable:
    """The numbers of a chart, for a table.

    Attributes:
        columns: Their names; the first one names the row.
        rows: What is written in each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows that have a place on the page."""
        return self.rows[:_MOST_ROWS]


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer says.

    Attributes:
        said: In a sentence or two.
        chart: To be drawn; None when there is nothing to draw.
        numbers: Of the chart.
        figure: The most important one, and what it is.
    """

    said: str
    chart: Spec | None = None
    numbers: DataTable | None = None
    figure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SectionSpec:
    """A part of the report.

    Attributes:
        key: Its name in summaries and links.
        title: Its heading.
        view: The view it asks.
        query: What it asks.
        tell: Makes something of the rows, of which there is at least one.
        nothing: What is said when there are none.
    """

    key: str
    title: str
    view: str
    query: str
    tell: Callable[[ResultRows], Content]
    nothing: str


@dataclass(frozen=True, slots=True)
class Section:
    """A topic with what the warehouse says to it.

    Attributes:
        topic: What was asked.
        told: What is answered.
        state: `shown`, `empty`, or `unavailable` when the warehouse cannot tell.
    """

    topic: SectionSpec
    told: Content
    state: str


def build_section(client: Client, topic: SectionSpec) -> Section:
    """Ask the warehouse; where it has no such view the section says so."""
    if not tables_exist(client, [topic.view]):
        missing = (
            f"The warehouse has no view {topic.view} yet; the next run of argos-sync makes it."
        )
        return Section(topic, Content(missing), "unavailable")
    rows = select(client, topic.query)
    told = topic.tell(rows) if rows else Content(topic.nothing)
    shown = "shown" if told.numbers else "unavailable"
    return Section(topic, told, shown if rows else "empty")
