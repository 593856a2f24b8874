"""What a warehouse promises, by name: the words of the gate, the test suite and the documentation.

`tests/promises` has one test for each, of the same name, and runs it on every destination that it
can reach. Which destination breaks which promise is data in `destination_support`.
"""

from collections.abc import Mapping
from enum import StrEnum


class Promise(StrEnum):
    """The name of a promise."""

    VALUES = "values"
    RERUN = "rerun"
    CHILDREN = "children"
    DELETIONS = "deletions"
    HISTORY = "history"
    RECONCILE = "reconcile"
    FORGET = "forget"
    WHOLE = "whole"
    CRASH = "crash"
    PARTITIONS = "partitions"
    ONE_WRITER = "one_writer"
    VIEWS = "views"
    PRIVACY = "privacy"


MEANINGS: Mapping[Promise, str] = {
    Promise.VALUES: "Every value arrives as the API returned it: JSON, and dates from 1900 to 2299",
    Promise.RERUN: "Running again changes nothing and doubles nothing",
    Promise.CHILDREN: "Rows that a submission no longer has are deleted",
    Promise.DELETIONS: "A submission that is deleted at the source is marked, and keeps its rows",
    Promise.HISTORY: "Each status is a period; the last one is open, and none overlap",
    Promise.RECONCILE: "`reconcile --deep` repairs what is lost, doubled or changed",
    Promise.FORGET: "`forget` leaves nothing of a person, and no run brings the person back",
    Promise.WHOLE: "A run that is killed during a load leaves whole submissions only",
    Promise.CRASH: "After a kill, a run on another machine loads the rest, and doubles nothing",
    Promise.PARTITIONS: "Backfills of parts of a range, on several machines, add up to the range",
    Promise.ONE_WRITER: "Of two runs at the same time, one loads, and the other one is kept out",
    Promise.VIEWS: "Every view gives the answers that were worked out by hand",
    Promise.PRIVACY: "The privacy policy applies: protected values are stored nowhere",
}
"""The meaning of each promise, in one clause without a final period."""
