"""Assemble the HTML page from its sections, escaping every value from the warehouse."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from html import escape
from importlib.resources import files
from string import Template

from argos_sync import __version__
from argos_sync.report.attention import Finding
from argos_sync.report.contents import Report
from argos_sync.report.figures import Figure
from argos_sync.report.formatting import NO_VALUE, format_code, format_time, pluralize
from argos_sync.report.rendering import render_svg
from argos_sync.report.section import Chapter, DataTable, Section

FILE_MARK = b"<!doctype html>\n<!-- argos-sync report -->"
"""First bytes of a report, which identify the file as one."""

_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
"""Matches a date, which must not be split over two lines."""

_MAX_ROWS = 200
"""Maximum rows of a table, so the page stays small however large the warehouse is."""

_ARROWS = {"up": "\N{BLACK UP-POINTING TRIANGLE}", "down": "\N{BLACK DOWN-POINTING TRIANGLE}"}


def render_page(report: Report) -> str:
    """Return the page as HTML, without scripts and external resources."""
    now, zone = report.scope.now.astimezone(UTC), report.scope.zone
    return Template(_read("page.html")).substitute(
        style=_read("page.css"),
        dataset=escape(format_code(report.dataset, NO_VALUE)),
        day=f"{now:%Y-%m-%d}",
        iso=now.isoformat(timespec="minutes"),
        moment=format_time(now),
        content=_content(report) if report.chapters else _read("empty.html"),
        days=f"Times are in UTC; days, weeks and months are those of {escape(zone)}.",
        version=__version__,
    )


def _content(report: Report) -> str:
    period = report.scope.period
    compared = (
        f"compared with {report.before}"
        if report.before
        else "not compared with the period before, because the data do not reach back so far"
    )
    top = [sections for chapter, sections in report.chapters if not chapter.shows_figures]
    figures = report.figures_of([section for sections in top for section in sections])
    chapters = "\n".join(_chapter(report, *one) for one in report.chapters)
    return f"""<div class="top">
{_attention(report.attention)}
{_contents(report)}
</div>
<main>
<section id="period" class="chapter" aria-labelledby="period-heading">
<h2 id="period-heading">The period</h2>
<p>{_with_dates(f"{period} ({pluralize(period.days, 'day')}), {compared}.")}</p>
{_tiles(figures)}
</section>
{chapters}
</main>"""


def _attention(findings: Mapping[str, Finding]) -> str:
    """Return what needs attention as a list, urgent items first."""
    items = "\n".join(map(_finding, findings.values()))
    return f"""<section id="attention" aria-labelledby="attention-heading">
<h2 id="attention-heading">Attention</h2>
<ul>
{items}
</ul>
</section>"""


def _finding(finding: Finding) -> str:
    state, sign, word = ("urgent", "!", "Attention") if finding.is_urgent else ("fine", "✓", "Fine")
    text = _link(finding.section, finding.text) if finding.section else escape(finding.text)
    detail = f" <span>({escape(finding.detail)})</span>" if finding.detail else ""
    return (
        f'<li class="{state}"><b aria-hidden="true">{sign}</b>'
        f'<span class="hidden">{word}: </span><p>{text}{detail}</p></li>'
    )


def _contents(report: Report) -> str:
    """Return the table of contents: chapters, and the sections within that are shown."""
    chapters = []
    for chapter, sections in report.chapters:
        links = "\n".join(
            f"<li>{_link(one.spec.key, one.spec.title)}</li>"
            for one in sections
            if one.state == "shown"
        )
        inner = f"\n<ul>\n{links}\n</ul>" if links else ""
        chapters.append(f"<li>{_link(chapter.key, chapter.title)}{inner}</li>")
    return f"""<nav aria-labelledby="contents-heading">
<h2 id="contents-heading">Contents</h2>
<ol>
<li>{_link("period", "The period")}</li>
{"".join(chapters)}
</ol>
</nav>"""


def _link(key: str, title: str) -> str:
    return f'<a href="#{key}">{escape(title)}</a>'


def _chapter(report: Report, chapter: Chapter, sections: Sequence[Section]) -> str:
    """Return a chapter: cards of what is shown, and a line on each other section."""
    heading_id = f"{chapter.key}-heading"
    shown = [section for section in sections if section.state == "shown"]
    # The last of an odd number has a row of its own.
    cards = [_card(one, wide=one is shown[-1] and len(shown) % 2 == 1) for one in shown]
    notes = [_note(section) for section in sections if section.state != "shown"]
    return "\n".join(
        [
            f'<section id="{chapter.key}" class="chapter" aria-labelledby="{heading_id}">',
            f'<h2 id="{heading_id}">{escape(chapter.title)}</h2>',
            *([_tiles(report.figures_of(sections))] if chapter.shows_figures else []),
            *(['<div class="cards">', *cards, "</div>"] if cards else []),
            *(['<ul class="notes">', *notes, "</ul>"] if notes else []),
            "</section>",
        ]
    )


def _tiles(figures: Sequence[Figure]) -> str:
    """Return key figures as a list of tiles."""
    return "\n".join(['<dl class="figures">', *map(_tile, figures), "</dl>"]) if figures else ""


def _tile(figure: Figure) -> str:
    change = ""
    if figure.change:
        arrow, words = _ARROWS.get(figure.direction), "as before"
        if arrow:
            words = (
                f'<b aria-hidden="true">{arrow}</b><span class="hidden">{figure.direction}</span>'
                f" {figure.change} from {figure.before_text}"
            )
        change = f'<dd class="change">{words}</dd>'
    return f"<div><dt>{escape(figure.label)}</dt><dd>{figure.text}</dd>{change}</div>"


def _note(section: Section) -> str:
    title, text = escape(section.spec.title), escape(section.content.text)
    return f'<li id="{section.spec.key}"><b>{title}:</b> {text}</li>'


def _card(section: Section, *, wide: bool) -> str:
    """Return a card; a wide one has its text and numbers beside its chart."""
    spec, content = section.spec, section.content
    heading_id, text_id = f"{spec.key}-heading", f"{spec.key}-text"
    style = ' class="wide"' if wide else ""
    chart = [render_svg(content.chart, heading_id, text_id)] if content.chart else []
    table = [_table(spec.title, content.table, is_open=wide)] if content.table else []
    return "\n".join(
        [
            f'<article id="{spec.key}"{style} aria-labelledby="{heading_id}">',
            f'<div><h3 id="{heading_id}">{escape(spec.title)}</h3>',
            f'<p id="{text_id}">{_with_dates(content.text)}</p>',
            *(table if wide else []),
            "</div>",
            *chart,
            *([] if wide else table),
            "</article>",
        ]
    )


def _with_dates(text: str) -> str:
    """Return an escaped text whose dates stay on one line."""
    return _DAY.sub(r"<time>\g<0></time>", escape(text))


def _table(title: str, table: DataTable, *, is_open: bool) -> str:
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
    return f"""<details{" open" if is_open else ""}>
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
