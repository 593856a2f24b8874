"""Erasing submissions for good: rows, history, quarantine, what is staged, and what names them.

Of load packages nothing has to be said: opening a warehouse loads or throws away what a run left
behind, so all there is stands in its tables.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dlt.common.schema.typing import C_DLT_ID, PIPELINE_STATE_TABLE_NAME
from dlt.common.versioned_state import decompress_state

from argos_sync.fetch.checkpoint import cursors, mentions_any
from argos_sync.load.source import SOURCE
from argos_sync.load.sql import Client, execute, key_batches, tables_exist, transaction
from argos_sync.run.journal import TableRows, insert
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import QUARANTINE, REVEALS, WINDOWS, Contract
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy
from argos_sync.shape.suppression import matches_any
from argos_sync.warehouse.rows import read_rows

Identifier = tuple[str, str]
"""What somebody is known by: one of `suppression.KINDS`, and a value."""


def erase(
    client: Client,
    policy: PrivacyPolicy,
    submission_ids: Sequence[str],
    known_by: Iterable[Identifier] = (),
    quarantine_ids: Sequence[str] = (),
    *,
    proof: Callable[[Mapping[str, int]], TableRows],
) -> dict[str, int]:
    """Erase submissions from every table, all in one transaction where the destination has them.

    The proof is part of it: an erasure that fails leaves none, and none is without.

    What only names a submission stays without the name: where a window is to be gone on from, and
    who was shown what. Objects in quarantine are found by what they say themselves, which cannot
    be read, and by nobody else either, where they are hashed.

    Args:
        client: Connected to the warehouse.
        policy: What its personal columns look like.
        submission_ids: Which ones.
        known_by: What else the person is known by, for the quarantine.
        quarantine_ids: Objects in quarantine that are known to be the person's.
        proof: Makes rows of `sync_erasures`, a table that is there, of the rows erased by table.

    Returns:
        Rows that were erased, by table.
    """
    _empty_staging(client, policy.base_contract)
    found = _rows_to_erase(client, policy, submission_ids, known_by, quarantine_ids)
    windows = _windows_naming(client, submission_ids)
    states = _states_naming(client, submission_ids)
    reveals = list(read_rows(client, REVEALS, ("submission_id",), submission_ids))
    with transaction(client):
        counts = {
            table: _delete(client, table, column, keys) for table, (column, keys) in found.items()
        }
        _set_null(client, WINDOWS, "page_key", "window_id", windows)
        _delete(client, PIPELINE_STATE_TABLE_NAME, C_DLT_ID, states)
        if reveals:
            _set_null(client, REVEALS, "submission_id", "submission_id", submission_ids)
        insert(client, proof(counts))
    return counts


def _rows_to_erase(
    client: Client,
    policy: PrivacyPolicy,
    submission_ids: Sequence[str],
    known_by: Iterable[Identifier],
    quarantine_ids: Sequence[str],
) -> dict[str, tuple[str, Sequence[str]]]:
    """Return a column and its values by table, for the tables there are."""
    found: dict[str, tuple[str, Sequence[str]]] = {
        table.name: ("submission_id", submission_ids)
        for table in policy.base_contract.tables.values()
        if "submission_id" in table.columns_by_name and table.name != REVEALS
    }
    found = {table: keys for table, keys in found.items() if tables_exist(client, [table])}
    if tables_exist(client, [QUARANTINE]):
        wanted = [*(("submission_id", one) for one in submission_ids), *known_by]
        keys = {*quarantine_ids, *_in_quarantine(client, policy, wanted)}
        found[QUARANTINE] = ("quarantine_id", sorted(keys))
    return found


def _in_quarantine(
    client: Client, policy: PrivacyPolicy, wanted: Sequence[Identifier]
) -> Iterator[str]:
    if "_extra" not in policy.contract[QUARANTINE].columns_by_name:
        return
    for key, kept in read_rows(client, QUARANTINE, ("quarantine_id", "_extra")):
        if matches_any(_opened(policy, kept), wanted):
            yield key


def _opened(policy: PrivacyPolicy, kept: Any) -> Any:
    """Return an object in quarantine; None when it cannot be read."""
    if policy.mode(QUARANTINE, "_extra") == "encrypt" and isinstance(kept, str):
        try:
            kept = policy.reveal(QUARANTINE, "_extra", kept)
        except (PolicyError, RevealError):
            return None
    if isinstance(kept, str):
        with suppress(ValueError):
            return json.loads(kept)
    return kept


def _windows_naming(client: Client, submission_ids: Sequence[str]) -> list[str]:
    rows = read_rows(client, WINDOWS, ("window_id", "page_key"))
    return [key for key, page_key in rows if mentions_any(page_key, submission_ids)]


def _states_naming(client: Client, submission_ids: Sequence[str]) -> list[str]:
    """Return the rows of pipelines' states that name a submission, or cannot be read.

    A pipeline goes on from the newest that is left. This run's own does not name them; a
    partition's may, and then some pages more are read again.
    """
    rows = read_rows(client, PIPELINE_STATE_TABLE_NAME, (C_DLT_ID, "state"))
    return [key for key, state in rows if _state_names(state, submission_ids)]


def _state_names(text: str, submission_ids: Sequence[str]) -> bool:
    try:
        state = decompress_state(text)["sources"][SOURCE]
    except KeyError:
        return False
    except (ValueError, zlib.error):
        return True
    return any(mentions_any(cursor, submission_ids) for cursor in cursors(state))


def _empty_staging(client: Client, contract: Contract) -> None:
    """Empty what a load that was killed left to be merged; nothing else of value stands there."""
    with client.with_staging_dataset():
        for table in contract.tables:
            if tables_exist(client, [table]):
                execute(client, f"DELETE FROM {table} WHERE 1 = 1")  # noqa: S608 a name


def _delete(client: Client, table: str, column: str, keys: Sequence[str]) -> int:
    rest, count = f"FROM {table} WHERE {column} = ANY(?)", 0
    for portion in key_batches(client, keys):
        ((number,),) = execute(client, f"SELECT COUNT(*) {rest}", portion) or [(0,)]
        count += number
        execute(client, f"DELETE {rest}", portion)
    return count


def _set_null(client: Client, table: str, column: str, key: str, keys: Sequence[str]) -> None:
    for portion in key_batches(client, keys):
        execute(client, f"UPDATE {table} SET {column} = NULL WHERE {key} = ANY(?)", portion)  # noqa: S608 names only
