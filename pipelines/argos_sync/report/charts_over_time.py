"""Build charts over time as Vega-Lite specifications, which `rendering` draws.

Field names and expressions are literals of this module, as in `charts`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from argos_sync.report.charts import PERCENT_AXIS, Spec, colour_scale, tenths

_HEIGHT = 220
"""Height in pixels of what lies within the axes of a chart over time."""

_MAX_LABELS = 5
"""About how many days, weeks or months have a label."""

_DURATION_TICKS = {
    1: "1 s",
    10: "10 s",
    60: "1 min",
    600: "10 min",
    3600: "1 h",
    21_600: "6 h",
    86_400: "1 day",
    604_800: "7 days",
    2_592_000: "30 days",
    31_536_000: "1 year",
}
"""Labels of an axis of durations, by seconds."""


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


def stacked_bar_chart(bars: Sequence[Bar], colours: Mapping[str, str], unit: str) -> Spec:
    """Build a chart of stacked bars over time; partial ones are light, with an outline.

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
    colour = colour_scale("segment", colours)
    return _layout(unit) | {
        "data": {"values": values},
        "mark": {"type": "rect", "strokeWidth": 1},
        "encoding": {
            "x": _time_axis("start", [day for bar in bars for day in (bar.first, bar.end)]),
            "x2": {"field": "end"},
            "y": _value_axis("low", [sum(bar.segments.values()) for bar in bars]),
            "y2": {"field": "high"},
            "color": colour,
            "stroke": colour,
            "fillOpacity": _if_partial(0.4, 1),
            "strokeOpacity": _if_partial(1, 0),
        },
    }


def line_chart(
    points: Sequence[Point],
    colours: Mapping[str, str],
    title: str,
    axis: dict[str, Any] | None = None,
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
    colour = colour_scale("line", colours)
    if legend := colour.get("legend", {}):
        stroke = {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2.5}
        colour["legend"] = legend | stroke
    dashes = {"domain": list(colours), "range": [[1, 0], [6, 3], [2, 2]][: len(colours)]}
    point = {"type": "point", "size": 34, "opacity": 1}
    return _layout(title) | {
        "data": {"values": values},
        "encoding": {
            "x": _time_axis("day", [one.day for one in points]),
            "y": _value_axis("value", [one.value for one in points]) | (axis or {}),
            "color": colour,
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2.5, "strokeJoin": "round"},
                "encoding": {"strokeDash": {**colour, "scale": dashes}},
            },
            {"mark": point | {"filled": True}, "transform": [{"filter": "!datum.partial"}]},
            {"mark": point | {"strokeWidth": 1.5}, "transform": [{"filter": "datum.partial"}]},
        ],
    }


def share_axis(shares: Sequence[float]) -> dict[str, Any]:
    """Return a vertical axis of shares from 0 to 1 that begins and ends at tenths."""
    return {"scale": {"domain": tenths(shares), "nice": False}, "axis": PERCENT_AXIS}


def duration_axis(seconds: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic vertical axis for durations of at least a second."""
    ticks, highest = list(_DURATION_TICKS), max(seconds)
    below = sum(tick <= min(seconds) for tick in ticks)
    start = min(max(below - 1, 0), len(ticks) - 2)
    stop = max(sum(tick < highest for tick in ticks), start + 1)
    values = ticks[start : stop + 1]
    labels = " : ".join(f"datum.value == {one} ? '{_DURATION_TICKS[one]}'" for one in values)
    return {
        "scale": {"type": "log", "domain": [values[0], max(values[-1], highest)], "nice": False},
        "axis": {
            "title": None,
            "domain": False,
            "values": values,
            "labelExpr": f"{labels} : ''",
            "labelOverlap": False,
        },
    }


def _if_partial(partial: Any, whole: Any) -> dict[str, Any]:
    return {"condition": {"test": "datum.partial", "value": partial}, "value": whole}


def _layout(unit: str) -> dict[str, Any]:
    return {"height": _HEIGHT, "title": {"text": unit, "anchor": "start", "frame": "group"}}


def _time_axis(field: str, days: Sequence[date]) -> dict[str, Any]:
    """Return a horizontal axis from the first to the last day, with a label for each of a few.

    Vega-Lite would end it where the first and the last bar with a value are.
    """
    is_short = (max(days) - min(days)).days <= _MAX_LABELS
    count = {"interval": "day", "step": 1} if is_short else _MAX_LABELS
    axis: dict[str, Any] = {"title": None, "grid": False, "tickCount": count}
    axis |= {"labelOverlap": True, "labelSeparation": 8, "labelFlush": True}
    axis |= {"format": "%b %-d"} if is_short else {}
    midnights = [datetime.combine(day, time(), UTC) for day in (min(days), max(days))]
    domain = [int(midnight.timestamp() * 1000) for midnight in midnights]
    scale = {"type": "utc", "domain": domain, "nice": False}
    return {"field": field, "type": "temporal", "scale": scale, "axis": axis}


def _value_axis(field: str, counts: Sequence[float]) -> dict[str, Any]:
    """Return a vertical axis of counts; its few ticks are whole numbers."""
    ticks = whole_ticks(max(counts, default=0))
    axis = {"title": None, "values": ticks, "domain": False, "format": ",d"}
    scale = {"domain": [0, ticks[-1]], "nice": False}
    return {"field": field, "type": "quantitative", "axis": axis, "scale": scale}


def whole_ticks(highest: float) -> list[int]:
    """Return up to six whole ticks from 0 to at least the highest count."""
    power = 10 ** max(math.floor(math.log10(max(highest, 1) / 5)), 0)
    step = next(one * power for one in (1, 2, 5, 10) if 5 * one * power >= highest)
    return list(range(0, max(math.ceil(highest / step), 1) * step + 1, step))
