"""The report in a real browser: nothing cut off, overlapping, empty or complained of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from argos_sync.report import charts
from browser import FOUND, Tab, browser
from report.pages import Page

needs_browser = pytest.mark.skipif(FOUND is None, reason="there is no Chromium on this machine")

DRAWN = """
    [...document.querySelectorAll('svg')].map(svg => {
        const marks = [...svg.querySelectorAll('.role-mark path, .role-mark rect')]
        const seen = marks.map(one => one.getBoundingClientRect())
        return {
            width: svg.getBoundingClientRect().width,
            height: svg.getBoundingClientRect().height,
            marks: seen.filter(box => box.width > 0 && box.height > 0).length,
            size: Math.min(...[...svg.querySelectorAll('text')].map(
                one => one.getBoundingClientRect().height)),
        }
    })
"""
"""Each chart: its box, its marks that can be seen, and the height of its smallest text."""

SPILLED = """
    [...document.querySelectorAll('body *')].filter(one => {
        const box = one.getBoundingClientRect()
        const card = one.closest('.scroll table') ?? one.closest('section, dl div')
        const around = card?.getBoundingClientRect() ?? {left: 0, right: innerWidth}
        return !one.closest('.hidden') && (box.width || box.height) && one !== card
            && !one.matches('.background, .foreground')
            && (box.left < around.left - 1 || box.right > around.right + 1)
    }).map(one => one.outerHTML.slice(0, 200)).concat(
        document.documentElement.scrollWidth > innerWidth ? ['the page itself'] : [])
"""
"""What reaches out of its card or the screen."""

OVERLAPPING = """
    (() => {
        const found = []
        const boxes = [...document.querySelectorAll('svg text, h1, h2, p, dt, dd, summary, li')]
            .filter(one => one.textContent.trim())
            .map(one => [one.textContent, one.getBoundingClientRect()])
            .filter(([text, box]) => box.width > 0)
        for (const [i, [one, a]] of boxes.entries())
            for (const [other, b] of boxes.slice(i + 1))
                if (a.left < b.right - 1 && b.left < a.right - 1
                    && a.top < b.bottom - 3 && b.top < a.bottom - 3)
                    found.push([one, other])
        return found
    })()
"""
"""Texts of which one lies over another."""


@pytest.fixture(scope="module")
def tab(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """The report in a browser, its tables open."""
    folder = tmp_path_factory.mktemp("browser")
    file = folder / "report.html"
    file.write_text(page.html, encoding="utf-8")
    with browser(folder / "profile") as opened:
        opened.open(file)
        opened.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        yield opened


@needs_browser
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_everything_has_its_place(tab: Tab, width: int) -> None:
    """Every chart is drawn and can be read; no text is cut off or lies over another."""
    tab.show(width)
    drawn: list[dict[str, Any]] = tab.ask(DRAWN)
    assert len(drawn) == 12
    for chart in drawn:
        assert chart["marks"] > 0
        assert width * 0.3 < chart["width"] <= width
        assert chart["height"] > 40
        assert chart["size"] >= (11 if width > 320 else 9)
    assert tab.ask(SPILLED) == []
    assert tab.ask(OVERLAPPING) == []


@needs_browser
def test_the_browser_has_nothing_to_say(tab: Tab) -> None:
    """No error, no message, no request but for the page itself; no script of a value ran."""
    assert tab.ask("document.title") == "Submissions in argos, 2025-02-01"
    assert tab.said == []
    assert [Path(address).name for address in tab.asked] == ["report.html"]


@needs_browser
def test_it_is_reached_by_keys_and_printed(tab: Tab) -> None:
    """Links, tables and what opens them are in the order of tabs; on paper it is some pages."""
    tab.show(1280)
    script = "[...document.querySelectorAll('a, summary, [tabindex]')].every(e => e.tabIndex === 0)"
    assert tab.ask(script)
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = false)")
    paper = tab.paper()
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert paper.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 4


def test_colours_stand_out() -> None:
    """Text by 4.5 to 1 and marks by 3 to 1, in the light and in the dark (WCAG 2.2, level AA)."""
    css = (files("argos_sync.report") / "page.css").read_text(encoding="utf-8")
    light, dark, *_ = (
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in css.split(":root")[1:]
    )
    marks = (charts.BLUE, charts.VERMILLION, charts.GREEN, charts.PURPLE, charts.ORANGE)
    for scheme in (light, dark):
        texts = itertools.product(("ink", "soft", "link"), ("paper", "ground"))
        assert all(contrast(scheme[one], scheme[other]) >= 4.5 for one, other in texts)
        assert all(contrast(one, scheme["paper"]) >= 3 for one in (*marks, charts.GREY))


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, as WCAG 2.2 defines it."""
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """How bright a colour is, from 0 to 1, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
