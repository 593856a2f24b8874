"""Refuse to load another ARGOS project than the warehouse's own."""

import asyncio

from argos_sync.api.errors import ConfigurationError
from argos_sync.api.stats import RequestStats
from argos_sync.config import Settings
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.job import ClientOptions
from argos_sync.fetch.project import project_changes, project_fingerprint, returns_any
from argos_sync.load.pipeline import Warehouse
from argos_sync.load.sql import Client
from argos_sync.warehouse.rows import has_submissions, stored_submissions
from argos_sync.warehouse.submissions import recently_fetched_ids

_SAMPLES = 5
"""Submissions to request by id. Some of them may be deleted by now."""


class AnotherProject(ConfigurationError):  # noqa: N818 says what happened, as in api.errors
    """The API key belongs to another project than the rows of the warehouse."""

    advice = (
        "use the key of the warehouse's project, or load this one into a dataset of its own"
        " (--dataset or --project); if it is the same project and all of its submissions are new,"
        " run `argos-sync sync --new-key` once"
    )


def recognize_project(
    warehouse: Warehouse, settings: Settings, options: ClientOptions
) -> tuple[State, RequestStats]:
    """Return the changes of the state that remember the API key, and the requests it took.

    The key is only looked into if it is not the remembered one and the warehouse has submissions.
    There are no changes if the API returns nothing that could be compared.

    Raises:
        AnotherProject: The API returns submissions, but none of the warehouse's.
        ArgosError: The API cannot be reached or refuses the key.
    """
    changes = project_changes(warehouse.state, settings.api_key)
    if not changes or not has_submissions(warehouse.client):
        return changes, RequestStats()
    is_same, stats = asyncio.run(_compare(warehouse.client, settings, options))
    if is_same is False:
        known = project_fingerprint(warehouse.state)
        raise AnotherProject(
            "the API key is not of the project that the warehouse was loaded from"
            f"{f' (key fingerprint {known})' if known else ''}: the API returns none of its"
            " submissions"
        )
    return (changes if is_same else {}), stats


async def _compare(
    client: Client, settings: Settings, options: ClientOptions
) -> tuple[bool | None, RequestStats]:
    async with options.connect() as api:
        is_same = await returns_any(
            api,
            settings.sections,
            lambda ids: bool(stored_submissions(client, ids)),
            recently_fetched_ids(client, _SAMPLES),
        )
        return is_same, api.stats
