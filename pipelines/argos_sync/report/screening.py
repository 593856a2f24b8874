"""Describe signs of fraud and AML alerts.

Each function gets the rows of the query of the same name in `queries`.
"""

from collections import Counter

from argos_sync.load.sql import ResultRows
from argos_sync.report.charts import BLUE, GREEN, GREY, ORANGE, VERMILLION, bar_chart
from argos_sync.report.charts_over_time import Point, line_chart
from argos_sync.report.figures import Figure, ratio
from argos_sync.report.formatting import (
    format_count,
    format_hours,
    format_share,
    pluralize,
)
from argos_sync.report.queries import FRAUD_SIGNALS
from argos_sync.report.scope import Scope
from argos_sync.report.section import Content, DataTable
from argos_sync.report.time_series import (
    HEADINGS,
    chart_by_unit,
    describe_partial,
    label_unit,
    split_periods,
    sum_by_unit,
    sum_columns,
)

_RISKS = {"high": VERMILLION, "medium": ORANGE, "low": BLUE, "other": GREY}
_FLOW = {"opened": VERMILLION, "closed": GREEN}
_AGES = {
    0: "less than a day",
    1: "1 to 6 days",
    7: "7 to 29 days",
    30: "30 to 89 days",
    90: "90 days or more",
}
"""Age bands of alerts, by their lower end in days."""


def describe_fraud(rows: ResultRows, _scope: Scope) -> Content:
    """Describe how many submissions have a sign of fraud.

    The row has the submissions in the period and before, those with any sign in the period and
    before, and for each of `FRAUD_SIGNALS` those in the period and before, and those with any sign
    in the period of which this one is known.
    """
    total, total_before, flagged, flagged_before, *counts = (int(one or 0) for one in rows[0])
    figure = Figure(
        *("fraud_signal_rate", "Signs of fraud", "share", ratio(flagged, total)),
        ratio(flagged_before, total_before),
    )
    pairs = zip(FRAUD_SIGNALS.values(), counts[::3], counts[1::3], strict=True)
    signals = sorted(pairs, key=lambda row: -row[1])
    unknown = [
        label
        for label, known in zip(FRAUD_SIGNALS.values(), counts[2::3], strict=True)
        if flagged and not known
    ]
    table = DataTable(
        ("Sign", "Submissions", "Share", "Before", "Share before"),
        [
            (
                *(label, format_count(number), format_share(number, total)),
                *(format_count(before), format_share(before, total_before)),
            )
            for label, number, before in signals
        ],
    )
    bars = [
        (label, {"": number}, f"{format_count(number)} ({format_share(number, total)})")
        for label, number, _ in signals
        if number
    ]
    return Content(
        f"{pluralize(flagged, 'submission')} created in the period"
        f" {'has' if flagged == 1 else 'have'} a sign of fraud ({format_share(flagged, total)})."
        " A sign is a reason to look, no proof; one with several counts once for each."
        + (f" Not known for any of them: {', '.join(unknown)}." if unknown else ""),
        bar_chart(bars, {"": ORANGE}) if bars else None,
        table,
        (figure,),
    )


def describe_hits(rows: ResultRows, scope: Scope) -> Content:
    """Describe how many of the decided submissions have a red flag now.

    A row has a day, its decisions, and those with a red flag by risk as in `_RISKS`.
    """
    before, current = split_periods(rows, scope)
    decided, *by_risk = sum_columns([counts for _, counts in current]) or [0]
    flagged = sum(by_risk)
    earlier = before[0] if before else [0]
    rate = ratio(flagged, decided)
    figure = Figure(
        *("aml_hit_rate", "AML hit rate", "share", rate), ratio(sum(earlier[1:]), earlier[0])
    )
    chart, table = chart_by_unit(
        [(day, counts[1:]) for day, counts in current], _RISKS, "red flags", scope
    )
    return Content(
        f"{format_count(flagged)} of {pluralize(decided, 'decided submission')}"
        f" {'has' if flagged == 1 else 'have'} a red flag now ({format_share(flagged, decided)}),"
        f" by {scope.unit} of the decision and risk." + describe_partial(scope, "drawn lighter"),
        chart,
        table,
        (figure,),
    )


def describe_ageing(rows: ResultRows, _scope: Scope) -> Content:
    """Describe how long alerts have been open.

    A row has the lower end of an age band in days, a risk, its alerts and hours of the oldest.
    """
    ages: dict[int, Counter[str]] = {age: Counter() for age in _AGES}
    for age, risk, number, _ in rows:
        ages[int(age)][str(risk)] += int(number)
    totals = sum(ages.values(), Counter())
    used = {risk: colour for risk, colour in _RISKS.items() if totals[risk]}
    oldest = format_hours(max(float(row[3]) for row in rows))
    bars = [(_AGES[age], counts, format_count(counts.total())) for age, counts in ages.items()]
    return Content(
        f"{pluralize(totals.total(), 'AML alert is', 'AML alerts are')} open now,"
        f" {format_count(totals['high'])} of high risk; the oldest for {oldest}.",
        bar_chart(bars, used),
        DataTable(
            ("Open for", "Alerts", *(f"{risk} risk".capitalize() for risk in used)),
            [
                (_AGES[age], *map(format_count, (counts.total(), *(counts[one] for one in used))))
                for age, counts in ages.items()
            ],
        ),
    )


def describe_flow(rows: ResultRows, scope: Scope) -> Content:
    """Describe how many alerts were opened and closed.

    A row has a day, and the alerts opened and closed on it.
    """
    _, current = split_periods(rows, scope)
    opened, closed = sum_columns([counts for _, counts in current])
    sums = sum_by_unit(current, scope)
    points = [
        Point(unit.first, name, number, unit.is_partial)
        for unit, counts in sums.items()
        for name, number in zip(_FLOW, counts, strict=True)
    ]
    return Content(
        f"{pluralize(opened, 'AML alert was', 'AML alerts were')} opened in the period,"
        f" {format_count(closed)} closed, by {scope.unit}. A run sees a red flag come and go, so"
        f" times are as exact as runs are frequent.{describe_partial(scope, 'drawn hollow')}",
        line_chart(points, _FLOW, f"alerts per {scope.unit}"),
        DataTable(
            (HEADINGS[scope.unit], *map(str.capitalize, _FLOW)),
            [
                (label_unit(unit), *map(format_count, counts))
                for unit, counts in reversed(sums.items())
            ],
        ),
    )
