"""Charts as Vega-Lite specifications, and their drawing as SVG.

A specification is plain data (https://vega.github.io/vega-lite/docs/); `vl-convert` draws it with
Vega itself, so that a page needs no script. Values of the warehouse are only ever data of a
specification, never a part of its language: names of fields and expressions are written here.

Every chart is as wide as a phone's screen and scaled up from there, so that its text can be read
everywhere. What is not coloured for a meaning has the colour of the text around it, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import vl_convert

Spec = Mapping[str, Any]

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY = (
    *("#0072b2", "#d55e00", "#009e73", "#b0608d", "#b98600", "#7f7f7f"),
)
"""Okabe and Ito's colours, which colour-blind people tell apart; the light ones are darker here, so
that all stand out against white by 3 to 1, and against the page's dark ground."""

_VEGA_LITE = "6.4"
_WIDTH = 400
_HEIGHT = 220
_ROW = 32, 46
"""The least and the most that a bar of several has, with the gap to the next; few have more."""
_LABELS = 150
"""Pixels that a bar's name has; what is longer ends with an ellipsis."""

_INK = "currentColor"
_CONFIG = {
    # The page says in words what a chart shows.
    "aria": False,
    # As wide as Arial, Helvetica and Roboto, one of which the page is shown in; drawn by whichever.
    "font": "Liberation Sans",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "labelFontSize": 14,
        "labelPadding": 6,
        "titleColor": _INK,
        "titleFontSize": 14,
        "titleFontWeight": "normal",
        "gridColor": _INK,
        "gridOpacity": 0.15,
        "domainColor": _INK,
        "domainOpacity": 0.4,
        "ticks": False,
    },
    "legend": {
        "labelColor": _INK,
        "labelFontSize": 14,
        "labelLimit": 0,
        "orient": "top",
        "title": None,
        "symbolSize": 120,
        "columnPadding": 14,
    },
    "text": {"fontSize": 14, "color": _INK},
    "title": {"color": _INK, "fontSize": 14, "fontWeight": "normal", "offset": 8},
}


def render_svg(spec: Spec, labelled_by: str, described_by: str) -> str:
    """Draw a chart.

    Args:
        spec: What one of the functions below returned.
        labelled_by: Id of the element that names it for who cannot see it.
        described_by: Id of the element that says what it shows.

    Returns:
        An element that can stand in a page as it is; all text in it is escaped.
    """
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "width": _WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 2,
        "config": _CONFIG,
        **spec,
    }
    drawn = vl_convert.vegalite_to_svg(whole, vl_version=_VEGA_LITE, allowed_base_urls=[])
    # An image for who cannot see it, whose parts are not read out one by one.
    image = f'<svg role="img" aria-labelledby="{labelled_by}" aria-describedby="{described_by}"'
    return drawn.replace("<svg", image, 1)


def bar_chart(
    rows: Sequence[tuple[str, Mapping[str, float], str]], colours: Mapping[str, str]
) -> Spec:
    """A bar for each name, from top to bottom, made up of several parts or of one.

    Args:
        rows: Names, with the values of their parts, and what is written behind the bar.
        colours: Of the parts, from left to right. Several are explained by a key.
    """
    names = [name for name, _, _ in rows]
    data = [
        {"row": row, "part": part, "place": place, "value": values.get(part, 0)}
        for row, (_, values, _) in enumerate(rows)
        for place, part in enumerate(colours)
    ]
    ends = [
        {"row": row, "value": sum(values.values()), "written": written}
        for row, (_, values, written) in enumerate(rows)
    ]
    return {
        "height": {"step": min(max(_HEIGHT / (len(rows) or 1), _ROW[0]), _ROW[1])},
        # Looked up by the axis, so that two rows may have one name.
        "params": [{"name": "names", "value": names}],
        "encoding": {
            "y": {
                "field": "row",
                "type": "ordinal",
                "axis": {
                    "title": None,
                    "labelLimit": _LABELS,
                    "domain": False,
                    "labelExpr": "names[datum.value]",
                },
                "scale": {"paddingInner": 0.3, "paddingOuter": 0.15},
            },
            "x": {"field": "value", "type": "quantitative", "axis": None},
        },
        "layer": [
            {
                "data": {"values": data},
                "mark": "bar",
                "encoding": {
                    "color": _key("part", colours),
                    "order": {"field": "place", "type": "quantitative"},
                },
            },
            {
                "data": {"values": ends},
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"text": {"field": "written", "type": "nominal"}},
            },
        ],
    }


def stacked_bar_chart(
    rows: Sequence[tuple[date, date, Mapping[str, float]]], colours: Mapping[str, str], unit: str
) -> Spec:
    """Bars over time, each piled up of several parts.

    Args:
        rows: First day, day after the last, and values of the parts.
        colours: Of the parts, from the bottom of the pile to its top.
        unit: What is counted.
    """
    values = [
        {"start": start.isoformat(), "end": end.isoformat(), "part": part, "low": low, "high": high}
        for start, end, parts in rows
        for part, low, high in _piled(parts, colours)
    ]
    return _titled(unit) | {
        "data": {"values": values},
        "mark": {"type": "rect", "stroke": "none"},
        "encoding": {
            "x": _time("start"),
            "x2": {"field": "end"},
            "y": _amount("low"),
            "y2": {"field": "high"},
            "color": _key("part", colours),
        },
    }


def line_chart(
    rows: Sequence[tuple[date, str, float]], colours: Mapping[str, str], unit: str
) -> Spec:
    """Lines over time, with a point at each value; they differ in colour and in their dashes.

    Args:
        rows: Day, line and value.
        colours: Of the lines, of which there are three at most.
        unit: What is measured.
    """
    values = [{"day": day.isoformat(), "line": line, "value": value} for day, line, value in rows]
    colour = _key("line", colours)
    dashes = {"domain": list(colours), "range": [[1, 0], [6, 3], [2, 2]][: len(colours)]}
    return _titled(unit) | {
        "data": {"values": values},
        "encoding": {"x": _time("day"), "y": _amount("value"), "color": colour},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"strokeDash": {**colour, "scale": dashes}},
            },
            {"mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}},
        ],
    }


def _piled(parts: Mapping[str, float], order: Iterable[str]) -> Iterator[tuple[str, float, float]]:
    low = 0.0
    for part in order:
        if value := parts.get(part):
            yield part, low, low + value
            low += value


def _titled(unit: str) -> dict[str, Any]:
    return {"height": _HEIGHT, "title": {"text": unit, "anchor": "start", "frame": "group"}}


def _time(field: str) -> dict[str, Any]:
    axis = {"title": None, "grid": False, "labelOverlap": True, "labelSeparation": 8}
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": axis | {"tickCount": 5, "labelFlush": True},
    }


def _amount(field: str) -> dict[str, Any]:
    axis = {"title": None, "tickCount": 4, "domain": False, "format": ",~r"}
    return {"field": field, "type": "quantitative", "axis": axis}


def _key(field: str, colours: Mapping[str, str]) -> dict[str, Any]:
    scale = {"domain": list(colours), "range": list(colours.values())}
    key = {"field": field, "type": "nominal", "scale": scale}
    return key if len(colours) > 1 else key | {"legend": None}
