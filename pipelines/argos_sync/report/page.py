"""The page: sections put into `page.html`, with everything that comes from a warehouse escaped."""

from __future__ import annotations

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
"""How a report begins, and is known by."""

_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
"""Not to be broken at the end of a line."""


def render_page(sections: Sequence[Section], dataset: str, now: datetime) -> str:
    """Return the page; it needs nothing beside itself, and has no script.

    Args:
        sections: What it tells, in their order.
        dataset: What was asked.
        now: When.
    """
    shown = escape(format_code(dataset, NO_VALUE))
    return Template(_file("page.html")).substitute(
        style=_file("page.css"),
        dataset=shown,
        day=f"{now.astimezone(UTC):%Y-%m-%d}",
        iso=now.astimezone(UTC).isoformat(timespec="minutes"),
        moment=format_time(now),
        figures=_figures(sections),
        links="\n".join(
            f'<li><a href="#{one.topic.key}">{escape(one.topic.title)}</a></li>' for one in sections
        ),
        sections="\n".join(map(_section, sections)),
        version=__version__,
    )


def _figures(sections: Sequence[Section]) -> str:
    """Return the most important numbers of all sections."""
    found = [one.told.figure for one in sections if one.told.figure]
    if not found:
        return ""
    tiles = "\n".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for value, what in found
    )
    return f'<dl class="figures">\n{tiles}\n</dl>'


def _section(section: Section) -> str:
    topic, told = section.topic, section.told
    heading, said = f"{topic.key}-heading", f"{topic.key}-said"
    sentence = _DAY.sub(r"<time>\g<0></time>", escape(told.said))
    parts = [
        f'<h2 id="{heading}">{escape(topic.title)}</h2>',
        f'<p id="{said}">{sentence}</p>',
    ]
    if told.chart:
        parts.append(render_svg(told.chart, heading, said))
    if told.numbers:
        parts.append(_details(topic.title, told.numbers))
    kind = "" if told.chart else ' class="empty"'
    return (
        f'<section id="{topic.key}"{kind} aria-labelledby="{heading}">\n'
        + "\n".join(parts)
        + "\n</section>"
    )


def _details(title: str, numbers: DataTable) -> str:
    """Return the table behind a chart, which who cannot see the chart reads instead of it."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in numbers.columns)
    rows = "\n".join(
        f'<tr><th scope="row"><bdi>{escape(first)}</bdi></th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in numbers.shown
    )
    left = len(numbers.rows) - len(numbers.shown)
    more = f"; {pluralize(left, 'more row is', 'more rows are')} not shown" if left else ""
    said = escape(f"{title}, in numbers")
    return f"""<details>
<summary>Numbers<span class="hidden">: {escape(title)}</span></summary>
<div class="scroll" role="region" aria-label="{said}" tabindex="0">
<table>
<caption>{said}{more}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</details>"""


def _file(called: str) -> str:
    return (files("argos_sync.report") / called).read_text(encoding="utf-8").strip()
