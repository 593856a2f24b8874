"""Notice that the source begins to answer in another shape, or to list fewer submissions.

The shape is measured on submissions that a sync fetches for the first time: those of one night are
like those of another, while older ones depend on what was due. A measure is the share of them that
have a row in a table, a value in a column, fields that the contract does not know, or a value that
does not fit at an API path. docs/tables.md describes the measures and their bounds.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from argos_sync.fetch.windows import add_days
from argos_sync.load.sql import Client
from argos_sync.shape.contract import ISSUES, SUBMISSIONS, load_contract
from argos_sync.shape.frames import general_path
from argos_sync.warehouse.checks import SHAPE, VOLUME, CheckResult
from argos_sync.warehouse.submissions import count_by_day, midnight

_MIN_NEW = 50
"""New submissions that are compared with the usual ones; fewer wait for those of later nights."""

_MIN_USUAL = 200
"""Usual submissions to compare with."""

_REMEMBERED = 8
"""The usual shape is about that of so many comparisons, so a lasting change becomes usual."""

_MIN_DIFFERENCE = 0.15
_MIN_Z = 6.0
"""Standard deviations; chance exceeds them once in 500 million measures."""

_WEEKS = 4
_MIN_USUAL_DAY = 30
_FACTOR = 5
"""A day has unusually many or few submissions if it has five times those of the fullest, or a fifth
of those of the emptiest, of the same weekday in the weeks before."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many of some submissions have what each measure counts. Decay makes fractions of them."""

    submissions: float = 0
    having: Mapping[str, float] = field(default_factory=dict)

    def plus(self, other: Self, weight: float = 1) -> "Shape":
        """Return the shape of these submissions and others together."""
        having = Counter(self.having)
        having.update({name: number * weight for name, number in other.having.items()})
        return Shape(self.submissions + other.submissions * weight, dict(having))

    def scaled(self, submissions: float) -> "Shape":
        """Return the shape as that of at most so many submissions."""
        weight = min(1.0, submissions / self.submissions) if self.submissions else 1.0
        return Shape().plus(self, weight)

    def share(self, measure: str) -> float:
        """Return the share that has what a measure counts."""
        return self.having.get(measure, 0) / self.submissions if self.submissions else 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """The usual shape of new submissions, and the shape of those that came since."""

    usual: Shape = field(default_factory=Shape)
    recent: Shape = field(default_factory=Shape)

    @classmethod
    def from_state(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return what the state of the warehouse has; begin anew without it."""
        return cls(**{name: Shape(*shape) for name, shape in (stored or {}).items()})

    def to_state(self) -> dict[str, Any]:
        """Return what the state keeps, as JSON."""
        shapes = {"usual": self.usual, "recent": self.recent}
        return {
            name: [
                round(shape.submissions, 2),
                {key: round(value, 2) for key, value in sorted(shape.having.items())},
            ]
            for name, shape in shapes.items()
        }

    def next_night(self) -> "Drift":
        """Return the drift before a night: what the night before compared is usual by now."""
        if self.recent.submissions < _MIN_NEW:
            return self
        most = _REMEMBERED * self.recent.submissions
        return Drift(self.usual.plus(self.recent).scaled(max(most, _MIN_USUAL)))

    def with_new(self, tables: Mapping[str, pa.Table], known: Collection[str]) -> "Drift":
        """Return the drift with the new submissions of a chunk; `known` are the ids of others."""
        return Drift(self.usual, self.recent.plus(shape_of(tables, known)))

    @property
    def unusual(self) -> list[str]:
        """Return the measures whose share has changed too much for chance."""
        measures = sorted({*self.usual.having, *self.recent.having})
        return [name for name in measures if _differs(self.usual, self.recent, name)]

    def check(self) -> list[CheckResult]:
        """Return the result of the check; none while there is too little to compare."""
        if self.recent.submissions < _MIN_NEW or self.usual.submissions < _MIN_USUAL:
            return []
        unusual = self.unusual
        return [CheckResult(SHAPE, SUBMISSIONS, len(unusual), ", ".join(unusual) or None)]


def shape_of(tables: Mapping[str, pa.Table], known: Collection[str]) -> Shape:
    """Return the shape of a chunk's submissions without some.

    Several rows of a submission, such as its attempts, count once.
    """
    if SUBMISSIONS not in tables:
        return Shape()
    ids = tables[SUBMISSIONS].filter(pc.is_null(tables[SUBMISSIONS]["_deleted_at"]))
    new = sorted({*ids["submission_id"].to_pylist()}.difference(known))
    having: dict[str, float] = {}
    for table in load_contract().api_tables:
        if table.name not in tables or not new:
            continue
        rows = tables[table.name]
        rows = rows.filter(pc.is_in(rows["submission_id"], value_set=pa.array(new, pa.string())))
        having[table.name] = _count_submissions(rows)
        for name in ("_extra", *(column.name for column in table.api_columns)):
            if name in rows.column_names and name not in table.key:
                filled = rows.filter(pc.is_valid(rows[name]))
                having[f"{table.name}.{name}"] = _count_submissions(filled)
    return Shape(len(new), having | _misfits(tables, new))


def check_volume(client: Client, today: date) -> list[CheckResult]:
    """Check whether yesterday (UTC) has as many submissions as usual; see `compare_volume`."""
    yesterday = add_days(today, -1)
    where = "WHERE created_at >= ? AND created_at < ?"
    first = add_days(yesterday, -7 * _WEEKS)
    counts = count_by_day(client, where, midnight(first), midnight(today))
    return compare_volume(counts, yesterday)


def compare_volume(counts: Mapping[date, int], day: date) -> list[CheckResult]:
    """Compare the number of a day's submissions with the same weekday of the weeks before.

    `counts` are numbers by UTC day. There is no result while the weeks before have too few.
    """
    usual = [counts.get(add_days(day, -7 * week), 0) for week in range(1, _WEEKS + 1)]
    if max(usual) < _MIN_USUAL_DAY:
        return []
    number = counts.get(day, 0)
    is_few = min(usual) >= _MIN_USUAL_DAY and number * _FACTOR < min(usual)
    found = [str(day)] if is_few or number > max(usual) * _FACTOR else []
    return [CheckResult(VOLUME, SUBMISSIONS, len(found), *found)]


def _differs(usual: Shape, recent: Shape, measure: str) -> bool:
    """Whether two shares differ by more than the bounds: a test of two proportions."""
    difference = abs(usual.share(measure) - recent.share(measure))
    together = usual.plus(recent)
    share = min(1.0, together.share(measure))
    variance = share * (1 - share) * (1 / usual.submissions + 1 / recent.submissions)
    return difference >= _MIN_DIFFERENCE and difference > _MIN_Z * math.sqrt(variance)


def _misfits(tables: Mapping[str, pa.Table], new: Collection[str]) -> dict[str, float]:
    """Return how many new submissions have a value that does not fit, by table and API path."""
    if ISSUES not in tables:
        return {}
    columns = ("table_name", "path", "submission_id")
    rows = zip(*(tables[ISSUES][name].to_pylist() for name in columns), strict=True)
    wanted = set(new)
    found = {
        (f"{table} misfits at {general_path(path)}", key)
        for table, path, key in rows
        if key in wanted
    }
    return dict(Counter(measure for measure, _ in found))


def _count_submissions(rows: pa.Table) -> int:
    count: int = pc.count_distinct(rows["submission_id"]).as_py()
    return count
