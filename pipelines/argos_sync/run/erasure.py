"""Erase submissions for good: their rows, history, quarantine, staged rows, and cursors naming them.

Load packages need no erasure: opening a warehouse discards the package of an interrupted run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from argos_sync.fetch.checkpoint import cursors, mentions_any
from argos_sync.fetch.protection import Protection
from argos_sync.load.dlt_tables import ROW_ID, STATES, read_state
from argos_sync.load.errors import destination_errors
from argos_sync.load.sql import Client, execute, key_batches, tables_exist, transaction
from argos_sync.run.committer import Committer
from argos_sync.run.journal import TableRows, erasure_records, insert, suppression_records
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import QUARANTINE, REVEALS, WINDOWS, Contract
from argos_sync.shape.privacy import PolicyError, PrivacyPolicy
from argos_sync.shape.suppression import matches_any, suppression_hash
from argos_sync.warehouse.rows import read_rows

Identifier = tuple[str, str]
"""One of `suppression.KINDS`, and the value a person is identified by."""


@dataclass(slots=True)
class Eraser:
    """Erases submissions in a run, and keeps them from coming back.

    Attributes:
        committer: Commits the suppression list.
        protection: The privacy policy and the suppression list as the run began.
        has_erased: Whether anything was erased.
    """

    committer: Committer
    protection: Protection
    has_erased: bool = False

    def suppression_rows(self, identifiers: Iterable[Identifier]) -> TableRows:
        """Return new rows of the suppression list; empty if all identifiers are on it.

        The key they were hashed with is committed with them.
        """
        listed = list(identifiers)
        if not listed:
            return {}
        key_id, key, secrets = self.protection.suppression_key(self.committer.state)
        self.committer.remember(secrets)
        hashes = {(kind, suppression_hash(key, kind, value)) for kind, value in listed}
        new = sorted(
            (kind, hashed)
            for kind, hashed in hashes
            if hashed not in self.protection.suppression.hashes
        )
        if not new:
            return {}
        return suppression_records(self.committer.summary, new, key_id, self.committer.clock())

    def erase(
        self,
        submission_ids: Sequence[str],
        suppressions: TableRows,
        identifiers: Iterable[Identifier] = (),
        quarantine_ids: Sequence[str] = (),
    ) -> dict[str, int]:
        """Erase submissions for good and leave proof of it.

        Args:
            submission_ids: Submissions to erase.
            suppressions: New rows of the suppression list. They are committed first: if the erasure
                fails, nobody comes back, and running it again erases the rest.
            identifiers: Other identifiers of the person, for objects in quarantine.
            quarantine_ids: Objects in quarantine that are known to be the person's.

        Returns:
            Erased rows by table.
        """
        committer = self.committer
        committer.commit(dict(suppressions), submission_ids)
        with destination_errors():
            counts = erase(
                committer.warehouse.client,
                self.protection.policy,
                submission_ids,
                identifiers,
                quarantine_ids,
                proof=lambda counts: erasure_records(committer.summary, counts, committer.clock()),
            )
        self.has_erased = True
        return counts


def erase(
    client: Client,
    policy: PrivacyPolicy,
    submission_ids: Sequence[str],
    identifiers: Iterable[Identifier] = (),
    quarantine_ids: Sequence[str] = (),
    *,
    proof: Callable[[Mapping[str, int]], TableRows],
) -> dict[str, int]:
    """Erase submissions from every table, all in one transaction where the destination has them.

    The proof is part of the transaction: every erasure leaves one, a failed erasure leaves none.

    Rows that merely name a submission stay, without the name: cursors of windows, and records of
    reveals. Objects in quarantine are found by their own content; hashed ones cannot be read, and
    stay.

    Args:
        client: Connected to the warehouse.
        policy: Privacy policy of the warehouse.
        submission_ids: Submissions to erase.
        identifiers: Other identifiers of the person, for the quarantine.
        quarantine_ids: Objects in quarantine that are known to be the person's.
        proof: Returns rows of `sync_erasures` for the rows erased by table.

    Returns:
        Erased rows by table.
    """
    _empty_staging(client, policy.base_contract)
    found = _rows_to_erase(client, policy, submission_ids, identifiers, quarantine_ids)
    windows = _windows_naming(client, submission_ids)
    states = _states_naming(client, submission_ids)
    reveals = list(read_rows(client, REVEALS, ("submission_id",), submission_ids))
    with transaction(client):
        counts = {
            table: _delete(client, table, column, keys) for table, (column, keys) in found.items()
        }
        _set_null(client, WINDOWS, "page_key", "window_id", windows)
        _delete(client, STATES, ROW_ID, states)
        if reveals:
            _set_null(client, REVEALS, "submission_id", "submission_id", submission_ids)
        insert(client, proof(counts))
    return counts


def _rows_to_erase(
    client: Client,
    policy: PrivacyPolicy,
    submission_ids: Sequence[str],
    identifiers: Iterable[Identifier],
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
        wanted = [*(("submission_id", one) for one in submission_ids), *identifiers]
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
    """Return the rows of pipeline states that name a submission, or cannot be read.

    A pipeline resumes from the newest state that remains. This run's own does not name them; a
    partition's may, and then reads a few pages again.
    """
    rows = read_rows(client, STATES, (ROW_ID, "state"))
    return [key for key, state in rows if _state_names(state, submission_ids)]


def _state_names(text: str, submission_ids: Sequence[str]) -> bool:
    state = read_state(text)
    return state is None or any(mentions_any(cursor, submission_ids) for cursor in cursors(state))


def _empty_staging(client: Client, contract: Contract) -> None:
    """Delete rows that a killed load left in the staging dataset."""
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
