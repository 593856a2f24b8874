"""Promises about the first run into a new warehouse."""

from datetime import date

import pytest

from argos_sync.commands.backfill import backfill
from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from oracle import flatten
from promises.place import Place, everything
from published import DIRECT, QUASI, recognisable
from support import Rows, assert_equal
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.slow

KEY = "a secret that is long enough"


def test_values(place: Place) -> None:
    """Irregular values arrive as the oracle says, or are quarantined; people may be old."""
    irregular = generate(600, seed=3, messy=True, unencodable=True, broken=True)
    irregular += [
        {
            "submission_id": f"day {day}",
            "created_at": "2025-03-01-00-00-00-000",
            "data": {"date_of_birth": day, "idcardExpireDate": day, "name": "N"},
        }
        for day in (
            "1900-01-01",
            "1931-05-17",
            "1969-12-31",
            "1970-01-01",
            "2106-02-08",
            "2299-12-31",
        )
    ]
    with Emulator(irregular, behaviour=Behaviour(order="shuffled", duplicate_rows=True)) as api:
        context = place.context(api, page_size=300)
        summary = backfill(context, date(2025, 1, 1), date(2025, 12, 31))
        served = api.store.all()
    assert_equal(place.warehouse, served)
    assert summary.issues == place.warehouse.count("sync_issues")
    assert place.warehouse.count("quarantine") > 0
    births = {row["date_of_birth"] for row in place.warehouse.table("applicants")}
    assert {date(1900, 1, 1), date(1969, 12, 31), date(2299, 12, 31)} <= births


def test_privacy(place: Place, january: Rows) -> None:
    """Hashes of equal values are equal, dropped values are nowhere, all others are plain."""
    people = [recognisable(n) | {"created_at": january[0]["created_at"]} for n in range(2)]
    people[1]["userid"] = people[0]["userid"]
    with Emulator([*people, *january[:20]]) as api:
        context = place.context(api, privacy={"direct": "hash", "quasi": "drop", "key": KEY})
        sync(context)
    stored = everything(place)
    assert [marker for marker in (DIRECT, QUASI) if marker in stored] == []
    submissions = place.warehouse.query("SELECT * FROM submissions")
    (hashed,) = {
        row["userid"]
        for row in submissions
        if row["submission_id"] in {one["submission_id"] for one in people}
    }
    assert hashed.startswith("h1.")
    (applicant, *_) = place.warehouse.query("SELECT * FROM applicants")
    assert "nationality" not in applicant
    plain = flatten(people)["kyc"]
    kept = [row for row in place.warehouse.table("kyc") if row in plain]
    assert len(kept) == len(plain)
