"""Erase a person's submissions: all rows that can be found, and the mentions of their ids.

That covers the contract's tables, the status history, the quarantine and the staging dataset, and
the cursors and records that mention a submission. Load packages need no erasure: opening a
warehouse discards the package of an interrupted run.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import cursors, drop_cursors, mentions_any
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.quarantine import read_quarantined
from argos_sync.load.compact import mark_unfinished_erasure
from argos_sync.load.destinations.lake_cleanup import erase_old_versions
from argos_sync.load.errors import destination_errors
from argos_sync.load.source import ROW_KEY, STATES, change_state, read_state
from argos_sync.load.sql import Client, execute, is_ducklake, key_batches, tables_exist, transaction
from argos_sync.run.committer import Committer
from argos_sync.run.journal import TableRows, erasure_records, insert, suppression_records
from argos_sync.shape.contract import (
    QUARANTINE,
    REVEALS,
    SUPPRESSIONS,
    WINDOWS,
    Contract,
    tables_for_sections,
)
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.shape.suppression import suppression_hash, unkeyed_list
from argos_sync.warehouse.rows import read_rows

LAKE_CLEANUP = "lake_cleanup"
"""Key of the state: an erasure has begun, and a DuckLake may still have what it erased."""

Identifier = tuple[str, str]
"""One of `identifiers.IDENTIFIER_KINDS`, and the value that identifies a person."""


@dataclass(slots=True)
class Eraser:
    """Erases submissions during a run, and puts them on the suppression list.

    `protection` is the privacy policy and the suppression list as of the start of the run. If it
    `has_erased`, a DuckDB file is rewritten after the run.
    """

    committer: Committer
    protection: Protection
    has_erased: bool = False

    def finish(self) -> None:
        """Remove what a DuckLake keeps of erased rows, of this run or of one that was killed.

        Raises:
            ArgosError: It is left to the next run.
        """
        if self.committer.state.get(LAKE_CLEANUP):
            with destination_errors():
                erase_old_versions(self.committer.warehouse.client)
            self.committer.remember({LAKE_CLEANUP: False})

    def save_finish(self) -> None:
        """Commit that nothing is left to remove, unless that is known."""
        if LAKE_CLEANUP in self.committer.state:
            self.committer.save({LAKE_CLEANUP: self.committer.state[LAKE_CLEANUP]})

    def suppression_rows(self, identifiers: Collection[Identifier]) -> TableRows:
        """Return new rows of the suppression list; empty if all identifiers are on it.

        The key they were hashed with is committed first: without it no run could use the list.
        """
        if not identifiers:
            return {}
        key_id, key, secrets = self.protection.suppression_key(self.committer.state)
        self.committer.save(secrets)
        listed = self.protection.suppression.hashes
        hashes = {(kind, suppression_hash(key, kind, value)) for kind, value in identifiers}
        new = sorted((kind, hashed) for kind, hashed in hashes if hashed not in listed)
        if not new:
            return {}
        return suppression_records(self.committer.summary, new, key_id, self.committer.clock())

    def discard_suppressions(self, lost_key: str) -> None:
        """Remove the entries of the suppression list that were made with a key that is lost.

        Raises:
            ConfigurationError: The key is known, so the entries keep people out.
        """
        if lost_key in self.protection.suppression_keys(self.committer.state):
            raise ConfigurationError(
                f"the key {lost_key} is not lost", "leave --discard-key out: its entries are in use"
            )
        client = self.committer.warehouse.client
        execute(client, f"DELETE FROM {SUPPRESSIONS} WHERE key_id = ?", lost_key)  # noqa: S608 a name

    def erase(
        self,
        submission_ids: Sequence[str],
        suppressions: TableRows,
        identifiers: Iterable[Identifier] = (),
        quarantine_ids: Sequence[str] = (),
    ) -> dict[str, int]:
        """Add to the suppression list, then erase submissions from every table.

        The erasure is one transaction if the destination supports them. The rows of `sync_erasures`
        are part of it, so every erasure leaves a record and a failed one leaves none.

        Rows that only mention a submission are kept without its id: cursors in `sync_windows`, and
        `sync_reveals`. Quarantined objects are matched by their submission and by their content;
        hashed ones without a submission id cannot be read and are kept.

        Args:
            submission_ids: Submissions to erase.
            suppressions: New rows of the suppression list. They are committed first: if the erasure
                fails, no run loads the person again, and repeating the erasure completes it.
            identifiers: Other identifiers of the person, to search the quarantine with.
            quarantine_ids: Quarantined objects of the person.

        Returns:
            Erased rows by table.
        """
        committer, policy = self.committer, self.protection.policy
        client = committer.warehouse.client
        if is_ducklake(client):
            committer.remember({LAKE_CLEANUP: True})
        committer.commit(dict(suppressions), submission_ids)
        _empty_staging(client, policy.base_contract)
        rows = rows_to_erase(client, policy, submission_ids, identifiers, quarantine_ids)
        stored_windows = read_rows(client, WINDOWS, ("window_id", "page_key"))
        windows = [id_ for id_, key in stored_windows if mentions_any(key, submission_ids)]
        states, unreadable_states = _states_without(client, submission_ids)
        reveals = list(read_rows(client, REVEALS, ("submission_id",), submission_ids))
        with transaction(client):
            mark_unfinished_erasure(client)
            counts = {
                table: _delete(client, table, column, keys)
                for table, (column, keys) in rows.items()
            }
            _set_null(client, WINDOWS, "page_key", "window_id", windows)
            for key, text in states.items():
                execute(client, f"UPDATE {STATES} SET state = ? WHERE {ROW_KEY} = ?", text, key)  # noqa: S608 names only
            _delete(client, STATES, ROW_KEY, unreadable_states)
            if reveals:
                _set_null(client, REVEALS, "submission_id", "submission_id", submission_ids)
            insert(client, erasure_records(committer.summary, counts, committer.clock()))
        self.has_erased = True
        return counts

    def erase_beside_merge(self, stubs: Sequence[str], *, is_stored: bool) -> None:
        """Erase what the merge of deletion stubs does not replace.

        That is what the quarantine has of them, and their rows in the tables of sections that the
        run does not fetch. If the warehouse has any of the submissions (`is_stored`), the merge
        leaves old values in the free blocks of a DuckDB file, which is rewritten after the run.
        """
        committer, policy = self.committer, self.protection.policy
        client, sections = committer.warehouse.client, committer.warehouse.sections
        merged = tables_for_sections(sections, policy.base_contract)
        rows: dict[str, tuple[str, Sequence[str]]] = {
            table.name: ("submission_id", stubs)
            for table in policy.base_contract.api_tables
            if table.name not in merged and tables_exist(client, [table.name])
        }
        person = [("submission_id", key) for key in stubs]
        if is_ducklake(client) and (is_stored or rows):
            committer.save({LAKE_CLEANUP: True})
        if quarantined := [*quarantined_objects_of(client, policy, person)]:
            rows[QUARANTINE] = ("quarantine_id", quarantined)
        with transaction(client):
            counts = {
                table: count
                for table, (column, keys) in rows.items()
                if (count := _delete(client, table, column, keys))
            }
            insert(client, erasure_records(committer.summary, counts, committer.clock()))
            if is_stored or counts:
                mark_unfinished_erasure(client)
                self.has_erased = True


def rows_to_erase(
    client: Client,
    policy: PrivacyPolicy,
    submission_ids: Sequence[str],
    identifiers: Iterable[Identifier],
    quarantine_ids: Sequence[str] = (),
) -> dict[str, tuple[str, Sequence[str]]]:
    """Return, by existing table, a column and the values of the rows to erase."""
    names = [
        table.name
        for table in policy.base_contract.tables.values()
        if "submission_id" in table.columns_by_name and table.name != REVEALS
    ]
    rows: dict[str, tuple[str, Sequence[str]]] = {
        name: ("submission_id", submission_ids) for name in names if tables_exist(client, [name])
    }
    if tables_exist(client, [QUARANTINE]):
        person = [*(("submission_id", key) for key in submission_ids), *identifiers]
        keys = {*quarantine_ids, *quarantined_objects_of(client, policy, person)}
        rows[QUARANTINE] = ("quarantine_id", sorted(keys))
    return rows


def quarantined_objects_of(
    client: Client, policy: PrivacyPolicy, person: Sequence[Identifier]
) -> Iterator[str]:
    """Yield the keys of quarantined objects that belong to a person's submissions.

    Objects are also searched for the person's identifiers, unless they are hashed or dropped.
    """
    columns = ["quarantine_id", "submission_id"]
    columns += ["_extra"] if "_extra" in policy.contract[QUARANTINE].columns_by_name else []
    searched = unkeyed_list(person)
    for key, submission_id, *value in read_rows(client, QUARANTINE, columns):
        objects = ({"submission_id": submission_id}, *(read_quarantined(policy, v) for v in value))
        if any(map(searched.matches, objects)):
            yield key


def _states_without(
    client: Client, submission_ids: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return dlt's pipeline states that mention a submission, changed so that they do not.

    They are kept, by row id, because a state has more than cursors: without the newest one of a
    pipeline the suppression list may lack its key. The second list has the row ids of states that
    cannot be read.
    """
    changed: dict[str, str] = {}
    unreadable: list[str] = []
    for key, text in read_rows(client, STATES, (ROW_KEY, "state")):
        state = read_state(text)
        if state is None:
            unreadable.append(key)
        elif any(mentions_any(cursor, submission_ids) for cursor in cursors(state)):
            changed[key] = change_state(text, partial(drop_cursors, submission_ids=submission_ids))
    return changed, unreadable


def _empty_staging(client: Client, contract: Contract) -> None:
    """Delete the rows of an interrupted load from the staging dataset."""
    with client.with_staging_dataset():
        for table in contract.tables:
            if tables_exist(client, [table]):
                execute(client, f"DELETE FROM {table} WHERE 1 = 1")  # noqa: S608 a name


def _delete(client: Client, table: str, column: str, keys: Sequence[str]) -> int:
    """Delete the rows with one of the keys, and return their number."""
    rows, count = f"FROM {table} WHERE {column} = ANY(?)", 0
    for batch in key_batches(client, keys):
        ((number,),) = execute(client, f"SELECT COUNT(*) {rows}", batch) or [(0,)]
        count += number
        execute(client, f"DELETE {rows}", batch)
    return count


def _set_null(client: Client, table: str, column: str, key: str, keys: Sequence[str]) -> None:
    for batch in key_batches(client, keys):
        execute(client, f"UPDATE {table} SET {column} = NULL WHERE {key} = ANY(?)", batch)  # noqa: S608 names only
