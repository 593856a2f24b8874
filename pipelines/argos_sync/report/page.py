"""Assemble the HTML page from its sections, escaping every value from the warehouse."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

from argos_sync import __version__
from argos_sync.report.charts import render_svg
from argos_sync.report.formatting import NO_VALUE, format_code, format_time, pluralize
from argos_sync.report.section import DataTable, Section

FILE_MARK = b"<!doctype html>\n<!-- argos-sync report -->"
"""First bytes of a report, which identify the file as one."""

_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
"""Matches a date, which must not be split over two lines."""

_MAX_ROWS = 200
"""Maximum rows of a table, so the page stays small however large the warehouse is."""


def render_page(sections: Sequence[Section], dataset: str, now: datetime) -> str:
    """Return the page as HTML, without scripts and external resources."""
    return Template(_read("page.html")).substitute(
        style=_read("page.css"),
        dataset=escape(format_code(dataset, NO_VALUE)),
        day=f"{now.astimezone(UTC):%Y-%m-%d}",
        iso=now.astimezone(UTC).isoformat(timespec="minutes"),
        moment=format_time(now),
        figures=_figures(sections),
        links="\n".join(
            f'<li><a href="#{section.spec.key}">{escape(section.spec.title)}</a></li>'
            for section in sections
        ),
        sections="\n".join(map(_section, sections)),
        version=__version__,
    )


def _figures(sections: Sequence[Section]) -> str:
    """Return the key figures of all sections as a list of tiles."""
    figures = [section.content.figure for section in sections if section.content.figure]
    if not figures:
        return ""
    tiles = "\n".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for value, label in figures
    )
    return f'<dl class="figures">\n{tiles}\n</dl>'


def _section(section: Section) -> str:
    spec, content = section.spec, section.content
    heading_id, text_id = f"{spec.key}-heading", f"{spec.key}-text"
    style = "" if content.chart else ' class="empty"'
    text = _DAY.sub(r"<time>\g<0></time>", escape(content.text))
    parts = [
        f'<section id="{spec.key}"{style} aria-labelledby="{heading_id}">',
        f'<h2 id="{heading_id}">{escape(spec.title)}</h2>',
        f'<p id="{text_id}">{text}</p>',
    ]
    if content.chart:
        parts.append(render_svg(content.chart, heading_id, text_id))
    if content.table:
        parts.append(_table(spec.title, content.table))
    return "\n".join([*parts, "</section>"])


def _table(title: str, table: DataTable) -> str:
    """Return the table behind a chart, which screen readers read instead of the chart."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row"><bdi>{escape(label)}</bdi></th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for label, *cells in table.rows[:_MAX_ROWS]
    )
    hidden = len(table.rows) - _MAX_ROWS
    note = f"; {pluralize(hidden, 'more row is', 'more rows are')} not shown" if hidden > 0 else ""
    caption = escape(f"{title}, in numbers")
    return f"""<details>
<summary>Numbers<span class="hidden">: {escape(title)}</span></summary>
<div class="scroll" role="region" aria-label="{caption}" tabindex="0">
<table>
<caption>{caption}{note}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</details>"""


def _read(file_name: str) -> str:
    return (files("argos_sync.report") / file_name).read_text(encoding="utf-8").strip()
