"""Build charts as Vega-Lite specifications, which `rendering` draws.

Values from the warehouse only ever appear as data in a specification; field names and expressions
are literals of this module.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

Spec = Mapping[str, Any]

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY = (
    *("#0072b2", "#d55e00", "#009e73", "#b0608d", "#b98600", "#7f7f7f"),
)
"""Okabe and Ito's palette, which colour-blind people can distinguish. Light colours are darkened
here, so that all have a contrast of 3:1 against white and against the dark background."""

_HEIGHT = 220
"""Height in pixels of what lies within the axes of a chart over time."""
_BARS_HEIGHT, _LEGEND_HEIGHT = 275, 28
"""Height of a chart of horizontal bars, as high as one over time with its axis, title and legend."""
_MIN_BAR_STEP, _MAX_BAR_SIZE = 30, 32
"""Least pixels from one horizontal bar to the next, and the greatest height of one."""
_LABEL_LIMIT = 150
"""Maximum width of a bar's label in pixels; longer labels end with an ellipsis."""

_DURATION_TICKS = {
    **{1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h"},
    **{86_400: "1 day", 604_800: "7 days", 2_592_000: "30 days", 31_536_000: "1 year"},
}
"""Labels of an axis of durations, by seconds."""


class Interval(NamedTuple):
    """A row of a chart of intervals: a label, a share with its bounds, and text behind it."""

    label: str
    share: float
    low: float
    high: float
    text: str


class Bar(NamedTuple):
    """A bar of a chart over time: its first day, the day after its last, and values by segment.

    A partial bar is of a day, week or month that is not whole.
    """

    first: date
    end: date
    segments: Mapping[str, float]
    is_partial: bool


class Point(NamedTuple):
    """A point of a line over time; a partial one is of a day, week or month that is not whole."""

    day: date
    line: str
    value: float
    is_partial: bool


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
    layout, size = _rows_layout([label for label, _, _ in rows], has_legend=len(colours) > 1)
    layout["encoding"]["x"] = {"field": "value", "type": "quantitative", "axis": None}
    return layout | {
        "layer": [
            {
                "data": {"values": data},
                "mark": {"type": "bar", "size": size},
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


def interval_chart(rows: Sequence[Interval], average: float) -> Spec:
    """Build a chart of shares, each with its interval, and a dashed line at their average.

    Rows are in order from top to bottom; shares are from 0 to 1. The axis begins and ends at tenths.
    """
    low = math.floor(10 * min(row.low for row in rows)) / 10
    high = math.ceil(10 * max(row.high for row in rows)) / 10
    values = [
        {
            **{"row": row, "share": one.share, "low": one.low, "high": one.high},
            **{"text": one.text, "end": high, "average": average},
        }
        for row, one in enumerate(rows)
    ]
    axis = {"title": None, "format": ".0%", "tickCount": 5, "domain": False, "labelFlush": True}
    layout, _ = _rows_layout([one.label for one in rows], has_legend=True)

    def place(field: str, **more: Any) -> dict[str, Any]:
        scale = {"domain": [low, high], "nice": False}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, **more}

    return layout | {
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "color": "currentColor", "strokeDash": [4, 3]},
                "encoding": {"x": place("average", aggregate="mean"), "y": None},
            },
            {
                "mark": {"type": "bar", "size": 8, "color": BLUE, "opacity": 0.45},
                "encoding": {"x": place("low"), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "color": BLUE},
                "encoding": {"x": place("share")},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 10},
                "encoding": {"x": place("end"), "text": {"field": "text", "type": "nominal"}},
            },
        ],
    }


def stacked_bar_chart(bars: Sequence[Bar], colours: Mapping[str, str], unit: str) -> Spec:
    """Build a chart of stacked bars over time; partial ones are light with a dashed outline.

    Colours are in order from bottom to top; `unit` is the title of the vertical axis.
    """
    values: list[dict[str, Any]] = []
    for bar in bars:
        days = {"start": bar.first.isoformat(), "end": bar.end.isoformat()}
        low = 0.0
        for segment in colours:
            if value := bar.segments.get(segment):
                top = {"low": low, "high": low + value, "partial": bar.is_partial}
                values.append({**days, "segment": segment, **top})
                low += value
    colour = _colour_scale("segment", colours)
    return _layout(unit) | {
        "data": {"values": values},
        "mark": {"type": "rect", "strokeWidth": 1},
        "encoding": {
            "x": _time_axis("start"),
            "x2": {"field": "end"},
            "y": _value_axis("low"),
            "y2": {"field": "high"},
            "color": colour,
            "stroke": colour | {"legend": None},
            "strokeDash": _if_partial([3, 2], [1, 0]),
            "fillOpacity": _if_partial(0.4, 1),
            "strokeOpacity": _if_partial(1, 0),
        },
    }


def line_chart(
    points: Sequence[Point],
    colours: Mapping[str, str],
    title: str,
    axis: Mapping[str, Any] | None = None,
) -> Spec:
    """Build a chart of up to three lines over time that differ in colour and dash pattern.

    Partial points are hollow. `title` is that of the vertical axis; `axis` is one of those below,
    or by default one of counts.
    """
    values = [
        {
            "day": one.day.isoformat(),
            "line": one.line,
            "value": one.value,
            "partial": one.is_partial,
        }
        for one in points
    ]
    colour = _colour_scale("line", colours)
    dashes = {"domain": list(colours), "range": [[1, 0], [6, 3], [2, 2]][: len(colours)]}
    point = {"type": "point", "size": 34, "opacity": 1}
    return _layout(title) | {
        "data": {"values": values},
        "encoding": {
            "x": _time_axis("day"),
            "y": _value_axis("value") | (axis or {}),
            "color": colour,
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"strokeDash": {**colour, "scale": dashes}},
            },
            {"mark": point | {"filled": True}, "transform": [{"filter": "!datum.partial"}]},
            {"mark": point | {"strokeWidth": 1.5}, "transform": [{"filter": "datum.partial"}]},
        ],
    }


def share_axis() -> dict[str, Any]:
    """Return a vertical axis of shares from 0 % to 100 %."""
    axis = {"title": None, "tickCount": 5, "domain": False, "format": ".0%"}
    return {"scale": {"domain": [0, 1]}, "axis": axis}


def duration_axis(seconds: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic vertical axis for durations of at least a second."""
    low, high = min(seconds), max(seconds)
    ticks = list(_DURATION_TICKS)
    start = max([one for one in ticks if one <= low] or ticks[:1])
    stop = min([one for one in ticks if one >= high] or ticks[-1:])
    stop = stop if stop > start else ticks[ticks.index(start) + 1]
    values = [one for one in ticks if start <= one <= stop]
    labels = " : ".join(f"datum.value == {one} ? '{_DURATION_TICKS[one]}'" for one in values)
    return {
        "scale": {"type": "log", "domain": [start, max(stop, high)], "nice": False},
        "axis": {
            **{"title": None, "domain": False, "values": values},
            **{"labelExpr": f"{labels} : ''", "labelOverlap": False},
        },
    }


def _rows_layout(labels: Sequence[str], *, has_legend: bool) -> tuple[dict[str, Any], float]:
    """Return the layout of a chart with rows, and the height of its bars in pixels."""
    height = _BARS_HEIGHT - (_LEGEND_HEIGHT if has_legend else 0)
    step = max(height / (len(labels) or 1), _MIN_BAR_STEP)
    layout = {
        "height": {"step": step},
        # The axis looks labels up by row number, so two rows may have the same label.
        "params": [{"name": "labels", "value": list(labels)}],
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
                "scale": {"paddingInner": 0, "paddingOuter": 0},
            },
        },
    }
    return layout, min(0.7 * step, _MAX_BAR_SIZE)


def _if_partial(partial: Any, whole: Any) -> dict[str, Any]:
    return {"condition": {"test": "datum.partial", "value": partial}, "value": whole}


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
