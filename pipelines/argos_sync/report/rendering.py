"""Render charts as SVG with Vega itself, in the style of the page.

A chart is a Vega-Lite specification, plain data (https://vega.github.io/vega-lite/docs/). The
package `vl-convert-python` renders it, so the page needs no script.

Every chart is laid out for the width of a phone and scaled up, so its text is readable on any
screen. Marks without a colour of their own take the text colour of the page, light or dark.
"""

from importlib import import_module
from typing import Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.report.charts import Spec

_VEGA_LITE_VERSION = "6.4"
_WIDTH = 400

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
