"""The report in Chromium: nothing is cut off, overlapping, empty or reported as an error."""

import itertools
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from argos_sync.report import charts
from argos_sync.report.rendering import render_svg
from browser import Tab, browser, require_chromium
from report.pages import Page

CHARTS = """
    [...document.querySelectorAll('svg')].map(svg => {
        const marks = [...svg.querySelectorAll('.role-mark path, .role-mark rect')]
        const boxes = marks.map(one => one.getBoundingClientRect())
        return {
            width: svg.getBoundingClientRect().width,
            height: svg.getBoundingClientRect().height,
            marks: boxes.filter(box => box.width > 0 && box.height > 0).length,
            textHeight: Math.min(...[...svg.querySelectorAll('text')].map(
                one => one.getBoundingClientRect().height)),
        }
    })
"""
"""Size of each chart, its number of visible marks, and the height of its smallest text."""

OVERFLOWING = """
    [...document.querySelectorAll('body *')].filter(one => {
        const box = one.getBoundingClientRect()
        const card = one.closest('.scroll table') ?? one.closest('article, section, nav, dl div')
        const around = card?.getBoundingClientRect() ?? {left: 0, right: innerWidth}
        return !one.closest('.hidden') && (box.width || box.height) && one !== card
            && !one.matches('.background, .foreground')
            && (box.left < around.left - 1 || box.right > around.right + 1)
    }).map(one => one.outerHTML.slice(0, 200)).concat(
        document.documentElement.scrollWidth > innerWidth ? ['the page itself'] : [])
"""
"""Elements that reach beyond their card or the screen."""

OVERLAPPING = """
    (() => {
        const overlaps = []
        const texts = 'svg text, h1, h2, h3, p, dt, dd, summary, nav a, .notes li'
        const boxes = [...document.querySelectorAll(texts)]
            .filter(one => one.textContent.trim())
            .map(one => [one.textContent, one.getBoundingClientRect()])
            .filter(([text, box]) => box.width > 0)
        for (const [i, [one, a]] of boxes.entries())
            for (const [other, b] of boxes.slice(i + 1))
                if (a.left < b.right - 1 && b.left < a.right - 1
                    && a.top < b.bottom - 3 && b.top < a.bottom - 3)
                    overlaps.push([one, other])
        return overlaps
    })()
"""
"""Pairs of texts that overlap."""


@pytest.fixture(scope="module")
def tab(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """Open the report in a tab, with all tables expanded."""
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "report.html"
    file.write_text(page.html, encoding="utf-8")
    with browser(folder / "profile") as opened:
        opened.open(file)
        opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        yield opened


@pytest.mark.browser
@pytest.mark.parametrize("width", [1400, 390, 320])
def test_the_layout_fits_every_screen(tab: Tab, width: int) -> None:
    """Every chart is drawn and readable; no text is cut off or overlaps another."""
    tab.resize(width)
    boxes: list[dict[str, Any]] = tab.evaluate(CHARTS)
    assert len(boxes) == 16
    for chart in boxes:
        assert chart["marks"] > 0
        assert width * 0.3 < chart["width"] <= width
        assert chart["height"] > 40
        assert chart["textHeight"] >= (11 if width > 320 else 9)
    assert tab.evaluate(OVERFLOWING) == []
    assert tab.evaluate(OVERLAPPING) == []


@pytest.mark.browser
def test_no_legend_or_label_is_cut(tmp_path: Path) -> None:
    """A legend of all results and a label of two lines stay within their card on a phone."""
    results = dict.fromkeys(("approved", "rejected", "pending", "incomplete", "other"), charts.BLUE)
    bar = ("Entered address differs from the proof", dict.fromkeys(results, 1), "5 (100 %)")
    svg = render_svg(charts.bar_chart([bar], results), "name", "text")
    file = tmp_path / "chart.html"
    file.write_text(f"<body style='margin: 0'><article>{svg}</article>", encoding="utf-8")
    with browser(tmp_path / "profile") as opened:
        opened.open(file)
        opened.resize(390)
        opened.evaluate("document.querySelector('svg').style = 'width: 100%; overflow: visible'")
        assert opened.evaluate(OVERFLOWING) == []
        assert "…" not in opened.evaluate("document.body.textContent")


@pytest.mark.browser
def test_the_browser_reports_no_errors(tab: Tab) -> None:
    """The console is empty, only the page is requested, and no script in a code ran."""
    assert tab.evaluate("document.title") == "Submissions in argos, 2025-02-01"
    assert tab.messages == []
    assert [Path(url).name for url in tab.requests] == ["report.html"]


@pytest.mark.browser
def test_keyboard_and_print(tab: Tab) -> None:
    """Links, tables and their toggles are in tab order; the report prints on four to six pages."""
    tab.resize(1280)
    script = "[...document.querySelectorAll('a, summary, [tabindex]')].every(e => e.tabIndex === 0)"
    assert tab.evaluate(script)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    pdf = tab.print_to_pdf()
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert pdf.startswith(b"%PDF-")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6


def test_colours_have_enough_contrast() -> None:
    """Text has a contrast of 4.5:1 and marks of 3:1, in light and dark mode (WCAG 2.2, AA)."""
    css = (files("argos_sync.report") / "page.css").read_text(encoding="utf-8")
    light, dark, *_ = (
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in css.split(":root")[1:]
    )
    marks = (charts.BLUE, charts.VERMILLION, charts.GREEN, charts.PURPLE, charts.ORANGE)
    for scheme in (light, dark):
        texts = itertools.product(("ink", "soft", "link", "alert", "fine"), ("paper", "ground"))
        assert all(contrast(scheme[one], scheme[other]) >= 4.5 for one, other in texts)
        assert all(contrast(one, scheme["paper"]) >= 3 for one in (*marks, charts.GREY))


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_a_missing_browser_fails_in_ci(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the test is skipped."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="Chromium is not installed"):
        require_chromium()


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Return the luminance of a colour, from 0 to 1, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
