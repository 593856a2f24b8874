"""The checks of `doctor`: each says what it found, and what to do when that is bad."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from argos_sync.api import ArgosClient, Query, RetryPolicy
from argos_sync.api.errors import ArgosError
from argos_sync.api.webhook import validate_webhook_url
from argos_sync.config import Settings, load_settings, webhook_url
from argos_sync.fetch.client import client_options
from argos_sync.fetch.end_date import probe_end_date
from argos_sync.fetch.protection import Protection
from argos_sync.load.duckdb import database_file
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import execute
from argos_sync.load.target import Target
from argos_sync.run.opening import warehouse_protection

_TWO_ATTEMPTS = RetryPolicy(attempts=2)
"""Someone waits for the answer at a terminal."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`.

    Attributes:
        name: What was looked at.
        passed: Whether it is as it should be.
        said: What was found; when that is bad, with the remedy.
        exit_code: What the command line exits with for it; 0 when passed.
    """

    name: str
    passed: bool
    said: str
    exit_code: int = 0

    def row(self) -> dict[str, Any]:
        """Return the check for the JSON summary."""
        return asdict(self)


def run_checks(target: Target, project: str | None = None) -> list[Check]:
    """Run all checks that make sense; those of the API end with the first that fails.

    Args:
        target: Where the warehouse is.
        project: See `config.load_settings`.
    """
    settings: list[Settings] = []

    def configuration() -> str:
        settings.append(load_settings(project=project))
        client_options(settings[0]).connect()
        Protection.configured(settings[0])
        if address := webhook_url():
            validate_webhook_url(address)
        return f"complete; API at {settings[0].base_url}"

    checks = [_check("configuration", configuration)]
    if checks[0].passed:
        checks += _api_checks(settings[0])

    def destination() -> str:
        with open_warehouse(target) as warehouse:
            execute(warehouse.client, "SELECT 1")
            if checks[0].passed:
                wanted = Protection.configured(settings[0])
                warehouse_protection(wanted, warehouse.client, warehouse.state)
            file = database_file(getattr(warehouse.client, "credentials", None))
        place = f"{target.destination} {file}" if file else target.destination
        return f"{place}, dataset {target.dataset}, can be written to"

    return [*checks, _check("destination", destination)]


def _api_checks(settings: Settings) -> list[Check]:
    async def reach(client: ArgosClient) -> str:
        page = await client.fetch(Query(request_type="others" if settings.sections else None))
        return f"the API accepts the key and answers{'' if page.items else ', with no submission'}"

    async def encryption(client: ArgosClient) -> str:
        await client.fetch(Query(request_type="others" if settings.sections else None))
        return f"{settings.encryption}, both sides agree"

    async def end_date(client: ArgosClient) -> str:
        found = await probe_end_date(client, "others" if settings.sections else None)
        return f"the server reads end_date as {found or 'unknown: there is no submission yet'}"

    checks: list[Check] = []
    for name, ask in (("API and key", reach), ("encryption", encryption), ("end_date", end_date)):
        checks.append(_check(name, partial(_asked, settings, ask)))
        if not checks[-1].passed:
            break
    return checks


def _asked(settings: Settings, ask: Callable[[ArgosClient], Awaitable[str]]) -> str:
    async def talk() -> str:
        async with client_options(settings, page_size=1, retry=_TWO_ATTEMPTS).connect() as client:
            return await ask(client)

    return asyncio.run(talk())


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, passed=True, said=look())
    except ArgosError as error:
        return Check(name, passed=False, said=str(error), exit_code=error.exit_code)
