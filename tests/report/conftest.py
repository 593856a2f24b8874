"""Provide a warehouse with data for every section of the report, and its report."""

import copy
import itertools
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from argos_sync.api.errors import IpNotAllowed
from argos_sync.commands.sync import sync
from argos_sync.report import Scope, WrittenReport, make_report, scope_of
from report.pages import Page
from support import NOW, Warehouse, context_for, duckdb_warehouse
from whole_lists import Behaviour, Emulator

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
LONG = "liveness_" * 12 + "end"
"""Hostile codes: markup that must be escaped, and a label longer than the chart."""


def january_scope(first: int = 1, last: int = 31) -> Scope:
    """Return the scope of days of January 2025, seen on 1 February, with a bound of 30 days."""
    scope = scope_of(NOW, first=date(2025, 1, first), last=date(2025, 1, last))
    return replace(scope, bound=30)


JANUARY = january_scope()


@pytest.fixture(scope="session")
def source_submissions(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the submissions behind the report, some with hostile codes and names."""
    submissions = copy.deepcopy(january)
    rejected = [one for one in submissions if one["kyc"].get("result") == "rejected"]
    # The long code is frequent enough for the chart.
    for one, code in zip(rejected, (SCRIPT, IMAGE, "\u202ebackwards", *[LONG] * 9), strict=False):
        one["kyc"]["commentCode"] = [code]
    attempted = [one for one in submissions if one["kyc"].get("attempts")]
    for one in attempted[:6]:
        one["data"]["nationality"] = IMAGE
        one["kyc"]["attempts"][0]["errorCode"] = SCRIPT
        one["reviewer"] = "Kim the reviewer"
    attempted[6]["data"]["nationality"] = "ATA"
    return submissions


@pytest.fixture(scope="session")
def loaded_warehouse(
    source_submissions: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """Return a DuckDB warehouse after a successful sync and a failed one."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("loaded"))
    # Each look at the clock is a second later, so that runs have a duration.
    ticks = (NOW + timedelta(seconds=seconds) for seconds in itertools.count())
    with Emulator(source_submissions) as api:
        context = context_for(api.base_url, warehouse.target)
        context = replace(context, clock=lambda: next(ticks))
        sync(context)
        api.behaviour = Behaviour(ip_denied=True)
        with pytest.raises(IpNotAllowed):
            sync(context)
    return warehouse


@pytest.fixture(scope="session")
def written(loaded_warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> WrittenReport:
    """Return the report of that warehouse about January."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    return make_report(loaded_warehouse.target, file, JANUARY)


@pytest.fixture(scope="session")
def page(written: WrittenReport) -> Page:
    """Return the page of that report."""
    return Page(written.file.read_text(encoding="utf-8"))
