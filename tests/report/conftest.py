"""A warehouse for reports: one that has something to say to every section."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from argos_sync.api.errors import IpNotAllowed
from argos_sync.commands.sync import sync
from argos_sync.emulator import Behaviour, Emulator
from argos_sync.report import make_report
from report.pages import Page
from support import NOW, Warehouse, context_for, duckdb_warehouse

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
LONG = "liveness_" * 12 + "end"
"""What stands where codes are expected, and would be more than text in a careless page."""


@pytest.fixture(scope="session")
def told(january: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The submissions that the report is about, with names that want to be more than text."""
    submissions = copy.deepcopy(january)
    rejected = [one for one in submissions if one["kyc"].get("result") == "rejected"]
    for one, code in zip(rejected, (SCRIPT, IMAGE, LONG, "\u202ebackwards"), strict=False):
        one["kyc"]["commentCode"] = [code]
    for one in submissions[:6]:
        one["data"]["nationality"] = IMAGE
        one["kyc"]["attempts"][0]["errorCode"] = SCRIPT
        one["reviewer"] = "Kim the reviewer"
    submissions[6]["data"]["nationality"] = "ATA"
    return submissions


@pytest.fixture(scope="session")
def reported(told: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A DuckDB warehouse with them, of a good run and one that failed."""
    warehouse = duckdb_warehouse(tmp_path_factory.mktemp("reported"))
    # A clock on which everything takes a while.
    moments = (NOW + timedelta(seconds=seconds) for seconds in itertools.count())
    with Emulator(told) as api:
        context = context_for(api.base_url, warehouse.target)
        context = replace(context, clock=lambda: next(moments))
        sync(context)
        api.behaviour = Behaviour(ip_allowed=False)
        with pytest.raises(IpNotAllowed):
            sync(context)
    return warehouse


@pytest.fixture(scope="session")
def page(reported: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of that warehouse."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    make_report(reported.target, file, now=NOW, bound=30)
    return Page(file.read_text(encoding="utf-8"))
