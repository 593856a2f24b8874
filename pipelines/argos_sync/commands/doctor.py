"""`doctor`: check the configuration, the API and the destination."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from argos_sync.api import ArgosClient, Query, RetryPolicy
from argos_sync.api.errors import ArgosError
from argos_sync.api.webhook import validate_webhook_url
from argos_sync.config import Settings, load_settings, webhook_url
from argos_sync.fetch.job import client_options
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.windows import probe_end_date
from argos_sync.load.duckdb import duckdb_file
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import execute
from argos_sync.load.target import Target
from argos_sync.run.opening import warehouse_protection

_TWO_ATTEMPTS = RetryPolicy(attempts=2)
"""Few, because somebody waits at a terminal."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, a line of `doctor`.

    Attributes:
        name: Subject of the check.
        passed: Whether it passed.
        message: The finding; for a failed check, with the remedy.
        exit_code: Exit status of the command line for this failure; 0 if the check passed.
    """

    name: str
    passed: bool
    message: str
    exit_code: int = 0

    def row(self) -> dict[str, Any]:
        """Return the check for the JSON summary."""
        return {
            "name": self.name,
            "passed": self.passed,
            "said": self.message,
            "exit_code": self.exit_code,
        }


def run_checks(target: Target, project: str | None = None) -> list[Check]:
    """Run the checks, and return their results in order.

    The API is not checked without a valid configuration, nor after its first failed check.

    Args:
        target: Where the warehouse is.
        project: Project to load settings of, see `config.load_settings`.
    """
    settings: list[Settings] = []

    def configuration() -> str:
        settings.append(load_settings(project=project))
        client_options(settings[0]).connect()
        Protection.configured(settings[0])
        if url := webhook_url():
            validate_webhook_url(url)
        return f"complete; API at {settings[0].base_url}"

    checks = [_check("configuration", configuration)]
    if checks[0].passed:
        checks += _api_checks(settings[0])

    def destination() -> str:
        with open_warehouse(target) as warehouse:
            execute(warehouse.client, "SELECT 1")
            if checks[0].passed:
                protection = Protection.configured(settings[0])
                warehouse_protection(protection, warehouse.client, warehouse.state)
            file = duckdb_file(warehouse.client)
        location = f"{target.destination} {file}" if file else target.destination
        return f"{location}, dataset {target.dataset}, can be written to"

    return [*checks, _check("destination", destination)]


def _api_checks(settings: Settings) -> list[Check]:
    async def reach_api(client: ArgosClient) -> str:
        page = await client.fetch(Query(request_type="others" if settings.sections else None))
        return f"the API accepts the key and answers{'' if page.items else ', with no submission'}"

    async def encryption(client: ArgosClient) -> str:
        await client.fetch(Query(request_type="others" if settings.sections else None))
        return f"{settings.encryption}, both sides agree"

    async def end_date(client: ArgosClient) -> str:
        answer = await probe_end_date(client, "others" if settings.sections else None)
        return f"the server reads end_date as {answer or 'unknown: there is no submission yet'}"

    checks: list[Check] = []
    steps = (("API and key", reach_api), ("encryption", encryption), ("end_date", end_date))
    for name, step in steps:
        checks.append(_check(name, partial(_call_api, settings, step)))
        if not checks[-1].passed:
            break
    return checks


def _call_api(settings: Settings, step: Callable[[ArgosClient], Awaitable[str]]) -> str:
    async def call() -> str:
        async with client_options(settings, page_size=1, retry=_TWO_ATTEMPTS).connect() as client:
            return await step(client)

    return asyncio.run(call())


def _check(name: str, run: Callable[[], str]) -> Check:
    """Return the result of a check; it passes unless the function raises an `ArgosError`."""
    try:
        return Check(name, passed=True, message=run())
    except ArgosError as error:
        return Check(name, passed=False, message=str(error), exit_code=error.exit_code)
