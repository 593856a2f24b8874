"""Read everything that a report says from a warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from argos_sync.load.sql import Client
from argos_sync.report.attention import Finding, find_attention
from argos_sync.report.chapters import CHAPTERS
from argos_sync.report.figures import Figure
from argos_sync.report.queries import EXTENT
from argos_sync.report.scope import Period, Scope
from argos_sync.report.section import Chapter, Reader, Section, build_section


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what a report says; without chapters if the warehouse has no submissions.

    Attributes:
        dataset: Name of the dataset.
        scope: What the report is about.
        before: Period to compare with; None if the data do not reach back so far.
        attention: Findings by key, urgent ones first.
        chapters: Each chapter with its sections.
    """

    dataset: str
    scope: Scope
    before: Period | None = None
    attention: Mapping[str, Finding] = field(default_factory=dict)
    chapters: Sequence[tuple[Chapter, Sequence[Section]]] = ()

    @property
    def sections(self) -> list[Section]:
        """Return the sections of all chapters."""
        return [section for _, sections in self.chapters for section in sections]

    @property
    def figures(self) -> list[Figure]:
        """Return the key figures of all chapters."""
        return [one for _, sections in self.chapters for one in self.figures_of(sections)]

    def figures_of(self, sections: Sequence[Section]) -> list[Figure]:
        """Return the key figures of sections; without an earlier value if there is no `before`."""
        figures = [figure for section in sections for figure in section.content.figures]
        return figures if self.before else [replace(one, before=None) for one in figures]


def read_report(client: Client, scope: Scope) -> Report:
    """Read a report from a warehouse, whose client is open."""
    reader, dataset = Reader(client, scope), str(client.dataset_name)
    number, earliest = _extent(reader)
    if not number:
        return Report(dataset, scope)
    before = scope.period.before if scope.has_before(earliest) else None
    chapters = [
        (chapter, [build_section(reader, spec) for spec in chapter.sections])
        for chapter in CHAPTERS
    ]
    return Report(dataset, scope, before, find_attention(reader), chapters)


def _extent(reader: Reader) -> tuple[int, date | None]:
    """Return the number of submissions and the first plausible day of one."""
    rows = reader.rows(EXTENT)
    return (int(rows[0][0]), rows[0][2]) if rows else (0, None)
