"""Build charts as Vega-Lite specifications and render them as SVG.

A specification is plain data (https://vega.github.io/vega-lite/docs/). The package
`vl-convert-python` renders it with Vega itself, so the page needs no script. Values from the
warehouse only ever appear as data in a specification; field names and expressions are literals of
this module.

Every chart is laid out for the width of a phone and scaled up, so its text is readable on any
screen. Marks without a colour of their own take the text colour of the page, light or dark.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib import import_module
from typing import Any

from argos_sync.api.errors import ConfigurationError

Spec = Mapping[str, Any]

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY = (
    *("#0072b2", "#d55e00", "#009e73", "#b0608d", "#b98600", "#7f7f7f"),
)
"""Okabe and Ito's palette, which colour-blind people can distinguish. Light colours are darkened
here, so that all have a contrast of 3:1 against white and against the dark background."""

_VEGA_LITE_VERSION = "6.4"
_WIDTH = 400
_HEIGHT = 220
_MIN_BAR_STEP, _MAX_BAR_STEP = 32, 46
"""Pixels from one horizontal bar to the next; a chart with fewer bars spaces them wider."""
_LABEL_LIMIT = 150
"""Maximum width of a bar's label in pixels; longer labels end with an ellipsis."""

_TEXT_COLOR = "currentColor"
_CONFIG = {
    # The page describes each chart in its own text.
    "aria": False,
    # Same metrics as Arial, Helvetica and Roboto; browsers use whichever of them is installed.
    "font": "Liberation Sans",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _TEXT_COLOR,
        "labelFontSize": 14,
        "labelPadding": 6,
        "titleColor": _TEXT_COLOR,
        "titleFontSize": 14,
        "titleFontWeight": "normal",
        "gridColor": _TEXT_COLOR,
        "gridOpacity": 0.15,
        "domainColor": _TEXT_COLOR,
        "domainOpacity": 0.4,
        "ticks": False,
    },
    "legend": {
        "labelColor": _TEXT_COLOR,
        "labelFontSize": 14,
        "labelLimit": 0,
        "orient": "top",
        "title": None,
        "symbolSize": 120,
        "columnPadding": 14,
    },
    "text": {"fontSize": 14, "color": _TEXT_COLOR},
    "title": {"color": _TEXT_COLOR, "fontSize": 14, "fontWeight": "normal", "offset": 8},
}


def load_renderer() -> Any:
    """Import `vl_convert`, which the extra `report` installs.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module("vl_convert")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "report needs the package vl-convert-python, which is not installed",
            "pip install 'argos-sync[report]'",
        ) from None


def render_svg(spec: Spec, labelled_by: str, described_by: str) -> str:
    """Render a chart as an SVG element, in which all text is escaped.

    For screen readers, `labelled_by` and `described_by` are ids of the HTML elements with the
    chart's name and description.
    """
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "width": _WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "padding": 2,
        "config": _CONFIG,
        **spec,
    }
    svg: str = load_renderer().vegalite_to_svg(
        chart, vl_version=_VEGA_LITE_VERSION, allowed_base_urls=[]
    )
    # With the role of an image, screen readers do not read out its parts one by one.
    image = f'<svg role="img" aria-labelledby="{labelled_by}" aria-describedby="{described_by}"'
    return svg.replace("<svg", image, 1)


def bar_chart(
    rows: Sequence[tuple[str, Mapping[str, float], str]], colours: Mapping[str, str]
) -> Spec:
    """Build a chart of horizontal bars, each with one or more segments.

    A row is a label, values by segment and the text behind the bar. Rows are in order from top to
    bottom, colours from left to right; several segments get a legend.
    """
    data = [
        {"row": row, "segment": segment, "position": position, "value": values.get(segment, 0)}
        for row, (_, values, _) in enumerate(rows)
        for position, segment in enumerate(colours)
    ]
    totals = [
        {"row": row, "value": sum(values.values()), "text": text}
        for row, (_, values, text) in enumerate(rows)
    ]
    return {
        "height": {"step": min(max(_HEIGHT / (len(rows) or 1), _MIN_BAR_STEP), _MAX_BAR_STEP)},
        # The axis looks labels up by row number, so two rows may have the same label.
        "params": [{"name": "labels", "value": [label for label, _, _ in rows]}],
        "encoding": {
            "y": {
                "field": "row",
                "type": "ordinal",
                "axis": {
                    "title": None,
                    "labelLimit": _LABEL_LIMIT,
                    "domain": False,
                    "labelExpr": "labels[datum.value]",
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
                    "color": _colour_scale("segment", colours),
                    "order": {"field": "position", "type": "quantitative"},
                },
            },
            {
                "data": {"values": totals},
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"text": {"field": "text", "type": "nominal"}},
            },
        ],
    }


def stacked_bar_chart(
    rows: Sequence[tuple[date, date, Mapping[str, float]]], colours: Mapping[str, str], unit: str
) -> Spec:
    """Build a chart of stacked bars over time.

    A row is a first day, the day after the last, and values by segment. Colours are in order from
    bottom to top; `unit` is the title of the vertical axis.
    """
    values: list[dict[str, Any]] = []
    for start, end, segments in rows:
        days = {"start": start.isoformat(), "end": end.isoformat()}
        low = 0.0
        for segment in colours:
            if value := segments.get(segment):
                values.append({**days, "segment": segment, "low": low, "high": low + value})
                low += value
    return _layout(unit) | {
        "data": {"values": values},
        "mark": {"type": "rect", "stroke": "none"},
        "encoding": {
            "x": _time_axis("start"),
            "x2": {"field": "end"},
            "y": _value_axis("low"),
            "y2": {"field": "high"},
            "color": _colour_scale("segment", colours),
        },
    }


def line_chart(
    rows: Sequence[tuple[date, str, float]], colours: Mapping[str, str], unit: str
) -> Spec:
    """Build a chart of up to three lines over time that differ in colour and dash pattern.

    A row is a day, a line and a value; `unit` is the title of the vertical axis.
    """
    values = [{"day": day.isoformat(), "line": line, "value": value} for day, line, value in rows]
    colour = _colour_scale("line", colours)
    dashes = {"domain": list(colours), "range": [[1, 0], [6, 3], [2, 2]][: len(colours)]}
    return _layout(unit) | {
        "data": {"values": values},
        "encoding": {"x": _time_axis("day"), "y": _value_axis("value"), "color": colour},
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"strokeDash": {**colour, "scale": dashes}},
            },
            {"mark": {"type": "point", "filled": True, "size": 30, "opacity": 1}},
        ],
    }


def _layout(unit: str) -> dict[str, Any]:
    return {"height": _HEIGHT, "title": {"text": unit, "anchor": "start", "frame": "group"}}


def _time_axis(field: str) -> dict[str, Any]:
    labels = {"labelOverlap": True, "labelSeparation": 8, "labelFlush": True}
    axis = {"title": None, "grid": False, "tickCount": 5} | labels
    return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "axis": axis}


def _value_axis(field: str) -> dict[str, Any]:
    axis = {"title": None, "tickCount": 4, "domain": False, "format": ",~r"}
    return {"field": field, "type": "quantitative", "axis": axis}


def _colour_scale(field: str, colours: Mapping[str, str]) -> dict[str, Any]:
    scale = {"domain": list(colours), "range": list(colours.values())}
    encoding = {"field": field, "type": "nominal", "scale": scale}
    return encoding if len(colours) > 1 else encoding | {"legend": None}
