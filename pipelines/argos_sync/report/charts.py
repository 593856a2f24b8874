"""Build charts of rows, such as bars, as Vega-Lite specifications, which `rendering` draws.

Values from the warehouse only ever appear as data in a specification; field names and expressions
are literals of this module.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Spec = Mapping[str, Any]

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, GREY = (
    *("#0072b2", "#d55e00", "#009e73", "#b0608d", "#b98600", "#7f7f7f"),
)
"""Okabe and Ito's palette, which colour-blind people can distinguish. Light colours are darkened
here, so that all have a contrast of 3:1 against white and against the dark background."""

_BARS_HEIGHT, _LEGEND_HEIGHT = 275, 28
"""Height of a chart of horizontal bars, as high as one over time with its labels."""
_MIN_BAR_STEP, _MAX_BAR_SIZE = 30, 32
"""Least pixels from one horizontal bar to the next, and the greatest height of one."""
_LABEL_LIMIT, _LABEL_CHARACTERS, _TWO_LINES = 165, 22, 36
"""Maximum width of a bar's label in pixels, about the characters that fit, and the height of two
lines. Longer labels are wrapped; a longer word ends with an ellipsis."""
_LEGEND_WIDTH, _LEGEND_SYMBOL, _CHARACTER_WIDTH = 390, 32, 7.5
"""Pixels of a row of a legend, and about those of an entry's symbol and of a character."""


PERCENT_AXIS = {
    "title": None,
    "domain": False,
    "tickCount": 5,
    "labelExpr": "format(100 * datum.value, '.0f') + '\N{NO-BREAK SPACE}%'",
}
"""Axis of shares from 0 to 1."""


class Interval(NamedTuple):
    """A row of a chart of intervals: a label, a share with its bounds, and text behind it."""

    label: str
    share: float
    low: float
    high: float
    text: str


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
                    "color": colour_scale("segment", colours),
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

    Rows are in order from top to bottom; shares are from 0 to 1.
    """
    domain = tenths([bound for row in rows for bound in (row.low, row.high)])
    values = [
        {
            "row": row,
            "share": one.share,
            "low": one.low,
            "high": one.high,
            "text": one.text,
            "end": domain[1],
            "average": average,
        }
        for row, one in enumerate(rows)
    ]
    middle = sum(domain) / 2
    axis = PERCENT_AXIS | {"values": [domain[0], middle, domain[1]], "labelFlush": True}
    layout, _ = _rows_layout([one.label for one in rows], has_legend=True)

    def place(field: str, **more: Any) -> dict[str, Any]:
        scale = {"domain": domain, "nice": False}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": axis, **more}

    return layout | {
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "color": "currentColor", "strokeDash": [4, 3]},
                "encoding": {"x": place("average", aggregate="mean"), "y": None},
            },
            {
                "mark": {"type": "bar", "size": 8, "color": BLUE, "opacity": 0.6},
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


def tenths(shares: Sequence[float]) -> list[float]:
    """Return the tenths below and above all shares."""
    low = min(math.floor(10 * min(shares)), 9)
    return [low / 10, max(math.ceil(10 * max(shares)), low + 1) / 10]


def _rows_layout(labels: Sequence[str], *, has_legend: bool) -> tuple[dict[str, Any], float]:
    """Return the layout of a chart with rows, and the height of its bars in pixels."""
    height = _BARS_HEIGHT - (_LEGEND_HEIGHT if has_legend else 0)
    lines = [_wrap(label) for label in labels]
    is_wrapped = any(isinstance(one, list) for one in lines)
    step = max(height / (len(labels) or 1), _TWO_LINES if is_wrapped else _MIN_BAR_STEP)
    layout = {
        "height": {"step": step},
        # The axis looks labels up by row number, so two rows may have the same label.
        "params": [{"name": "labels", "value": lines}],
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


def colour_scale(field: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """Return the encoding of a field as colours, with a legend if there are several."""
    scale = {"domain": list(colours), "range": list(colours.values())}
    encoding = {"field": field, "type": "nominal", "scale": scale}
    if len(colours) <= 1:
        return encoding | {"legend": None}
    width = sum(_LEGEND_SYMBOL + _CHARACTER_WIDTH * len(name) for name in colours)
    rows = math.ceil(width / _LEGEND_WIDTH)
    return encoding | {"legend": {"columns": math.ceil(len(colours) / rows)}}


def _wrap(label: str) -> str | list[str]:
    """Return a label that is too long as two lines, where it has spaces."""
    lines = textwrap.wrap(
        label, _LABEL_CHARACTERS, break_long_words=False, max_lines=2, placeholder=" …"
    )
    return lines if len(lines) > 1 else label
