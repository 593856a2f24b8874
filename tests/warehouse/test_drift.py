"""Drift: new submissions of another shape, and days with unusually few or many."""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS
from argos_sync.shape.tables import shape_submissions
from argos_sync.warehouse.checks import SHAPE, VOLUME, CheckResult
from argos_sync.warehouse.drift import Drift, Shape, compare_volume, shape_of
from support import NOW, Rows, Warehouse, at, context_for
from whole_lists import Emulator

pytestmark = pytest.mark.tables_made

NIGHTS = int(os.environ.get("NIGHTS", "40"))
DAY = date(2025, 3, 3)


def shape(submissions: int, **having: int) -> Shape:
    """Return the shape of so many submissions."""
    return Shape(submissions, having)


def drift_results(summary: RunSummary) -> list[CheckResult]:
    """Return the results of both checks."""
    return [result for result in summary.checks if result.check_name in (SHAPE, VOLUME)]


def new_of_night(number: int, *, messy: bool = False, day: date = DAY) -> Rows:
    """Return 60 submissions of a day, as the source has them the next morning."""
    now = datetime.combine(day + timedelta(days=1), time(3), UTC)
    return generate(60, seed=number, start=day, end=day, now=now, messy=messy)


def arrow_shape(submissions: Rows) -> Shape:
    """Return the shape of submissions that are all new."""
    hashes = [str(number) for number in range(len(submissions))]
    return shape_of(shape_submissions(submissions, hashes, NOW).tables, ())


def test_a_share_that_falls_is_unusual() -> None:
    """Chance does not explain it, and it is large."""
    usual = shape(400, aml=200, name=400, rare=4)
    assert Drift(usual, shape(60, aml=0, name=60)).unusual == ["aml"]
    assert Drift(usual, shape(60, aml=22, name=52, rare=3)).unusual == []
    assert Drift(usual, shape(60, aml=30, name=60, misfits=60)).unusual == ["misfits"]


def test_few_submissions_are_not_compared() -> None:
    """They wait for those of later nights."""
    usual = shape(400, aml=400)
    waiting = Drift(usual, shape(49, aml=0))
    assert waiting.check() == []
    assert waiting.next_night() == waiting
    compared = Drift(usual, shape(50, aml=0))
    assert compared.check() == [CheckResult(SHAPE, SUBMISSIONS, 1, "aml")]
    assert Drift(shape(199), shape(50, aml=50)).check() == []


def test_a_lasting_change_becomes_usual() -> None:
    """And the usual shape does not grow for ever."""
    drift = Drift(shape(400, aml=400), shape(50))
    nights = 0
    while drift.unusual:
        drift = Drift(drift.next_night().usual, shape(50))
        nights += 1
    assert 4 < nights < 20
    assert drift.usual.submissions == 400


def test_the_state_keeps_both_shapes() -> None:
    """As JSON; without a state, drift begins anew."""
    drift = Drift(shape(400, aml=398), shape(3, aml=2, name=3))
    assert Drift.from_state(drift.to_state()) == drift
    assert Drift.from_state(None) == Drift()


def test_only_new_submissions_are_measured() -> None:
    """Each once, however many attempts it has."""
    submissions = new_of_night(1)
    hashes = ["h"] * len(submissions)
    tables = shape_submissions(submissions, hashes, NOW).tables
    measured = shape_of(tables, known=[submissions[0]["submission_id"]])
    assert measured.submissions == len(submissions) - 1
    with_attempts = [s for s in submissions[1:] if (s.get("kyc") or {}).get("attempts")]
    assert measured.having["attempts"] == len(with_attempts)
    assert measured.having["attempts"] < tables["attempts"].num_rows
    assert shape_of(tables, [s["submission_id"] for s in submissions]) == shape(0)


@pytest.mark.slow
@pytest.mark.parametrize("messy", [False, True])
def test_no_false_alarm_in_many_nights(*, messy: bool) -> None:
    """Each is compared with those before it. There was none in 1,000 nights of either kind."""
    drift = Drift()
    compared = 0
    for number in range(NIGHTS):
        night = arrow_shape(new_of_night(number, messy=messy))
        drift = Drift(drift.next_night().usual, night)
        results = drift.check()
        assert all(result.passed for result in results), (number, results)
        compared += len(results)
    assert compared > NIGHTS - 5


def without_aml(submissions: Rows) -> Rows:
    """Return the submissions as a source that no longer sends the section has them."""
    return [item | {"aml": None} for item in submissions]


def nights(api: Emulator, warehouse: Warehouse, source: Iterator[Rows]) -> Iterator[RunSummary]:
    """Add the submissions of a day each, and sync in the morning after."""
    context = context_for(api.base_url, warehouse.target, sweep_days=0, lookback_days=1)
    for number, submissions in enumerate(source):
        for item in submissions:
            api.store.add(item)
        morning = datetime.combine(DAY + timedelta(days=number + 1), time(3), UTC)
        yield sync(at(context, morning))


@pytest.mark.slow
def test_a_section_that_no_longer_comes_is_reported(any_warehouse: Warehouse) -> None:
    """In the first night without it; the nights before have no alarm."""
    days = [new_of_night(number, day=DAY + timedelta(days=number)) for number in range(7)]
    source = iter([*days[:6], without_aml(days[6])])
    with Emulator() as api:
        *usual, last = nights(api, any_warehouse, source)
    assert all(result.passed for night in usual for result in drift_results(night))
    assert drift_results(usual[-1])
    (result,) = drift_results(last)
    assert "aml" in str(result.sample).split(", ")
    (recorded,) = any_warehouse.query(
        "SELECT sample FROM sync_checks WHERE check_name = 'usual_shape' AND NOT passed"
    )
    assert recorded["sample"] == result.sample


@pytest.mark.parametrize(
    ("yesterday", "weeks_before", "expected"),
    [
        (6, [30, 31, 40, 35], []),
        (5, [30, 31, 40, 35], ["2025-01-30"]),
        (0, [29, 31, 40, 35], []),
        (200, [30, 31, 40, 35], []),
        (201, [30, 31, 40, 35], ["2025-01-30"]),
        (1_000, [20, 20, 20, 20], None),
    ],
)
def test_an_unusual_day_is_reported(
    yesterday: int, weeks_before: list[int], expected: list[str] | None
) -> None:
    """Compared with its weekday in four weeks; the other days do not count."""
    day = date(2025, 1, 30)
    counts = {day: yesterday, day - timedelta(days=1): 7}
    counts |= {day - timedelta(days=7 * (n + 1)): count for n, count in enumerate(weeks_before)}
    results = compare_volume(counts, day)
    if expected is None:
        assert results == []
    else:
        assert results == [CheckResult(VOLUME, SUBMISSIONS, len(expected), *expected)]


@pytest.mark.slow
def test_a_night_without_new_submissions_is_reported(any_warehouse: Warehouse) -> None:
    """If the weekday has enough of them in each of the weeks before."""
    day = NOW.date()
    source = generate(1_500, seed=3, start=day - timedelta(days=29), end=day - timedelta(days=1))
    with Emulator(source) as api:
        context = context_for(api.base_url, any_warehouse.target, sweep_days=0)
        sync(context)
        on_time = sync(at(context, NOW + timedelta(hours=1)))
        missing = sync(at(context, NOW + timedelta(days=1)))
    assert [result.passed for result in drift_results(on_time)] == [True]
    assert drift_results(missing) == [CheckResult(VOLUME, SUBMISSIONS, 1, str(day))]
