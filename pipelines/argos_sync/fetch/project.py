"""Recognize the ARGOS project that a warehouse was loaded from, so that two are never mixed in it.

The API does not name the project of a key. So the state has a fingerprint of the API key: a keyed
hash, and the warehouse's own secret that it was made with. Another key may be a new one of the same
project: then the API returns submissions that the warehouse has.
"""

import secrets
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from argos_sync.api.errors import AccessDenied, ApiFailure, RequestsUsedUp, RetriableFailure
from argos_sync.api.query import Query
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.submission import fetch_submission, rows_by_id

if TYPE_CHECKING:
    from argos_sync.api.client import ArgosClient

_STATE_KEY = "project"
_SHOWN_DIGITS = 8


def project_fingerprint(state: State) -> str | None:
    """Return the key fingerprint of a warehouse as it is shown to people; None before there is one.

    It is the first digits of the stored one, which are hexadecimal.
    """
    stored = state.get(_STATE_KEY)
    return str(stored["fingerprint"])[:_SHOWN_DIGITS] if stored else None


def project_changes(state: State, api_key: str) -> State:
    """Return the changes of the state that remember an API key; empty if it is remembered."""
    stored = state.get(_STATE_KEY)
    secret = stored["secret"] if stored else secrets.token_hex(32)
    project = {"secret": secret, "fingerprint": _fingerprint(api_key, secret)}
    return {} if project == stored else {_STATE_KEY: project}


async def returns_any(
    client: "ArgosClient",
    sections: Sequence[str],
    are_stored: Callable[[Sequence[str]], bool],
    sample: Sequence[str],
) -> bool | None:
    """Return whether the API returns submissions of a warehouse; None if it returns none at all.

    Args:
        client: A client with the API key in question.
        sections: Configured `request_type`s; empty for all of them.
        are_stored: Returns whether the warehouse has any of these submissions.
        sample: Ids of some submissions of the warehouse. They are requested one by one if the first
            ones of the API's list are not in the warehouse.

    Raises:
        ArgosError: The API cannot be reached or refuses the key.
    """
    part = ("others",) if sections else ()
    listed = await _first_ids(client, part)
    if listed and are_stored(listed):
        return True
    for submission_id in sample:
        if await _is_returned(client, submission_id, part):
            return True
    return False if listed else None


def _fingerprint(api_key: str, secret: str) -> str:
    return blake2b(api_key.encode(), digest_size=16, key=bytes.fromhex(secret)).hexdigest()


async def _first_ids(client: "ArgosClient", part: Sequence[str]) -> list[str]:
    """Return the ids on the first page of a list that has any."""
    async for page in client.first_pages(Query(request_type=part[0] if part else None)):
        if ids := list(rows_by_id(page.items)):
            return ids
    return []


async def _is_returned(client: "ArgosClient", submission_id: str, part: Sequence[str]) -> bool:
    try:
        return await fetch_submission(client, submission_id, part) is not None
    except (RetriableFailure, RequestsUsedUp):
        raise
    except (ApiFailure, AccessDenied):
        return False  # the API answers the list, so it refuses this id
