"""Forget: erase a person from every table, and keep them from coming back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.checkpoint import State
from argos_sync.fetch.protection import Protection, suppression_secrets
from argos_sync.load.errors import destination_errors
from argos_sync.load.read_only import ReadOnlyWarehouse, open_read_only
from argos_sync.load.sql import Client, tables_exist
from argos_sync.run.context import Context
from argos_sync.run.erasure import Identifier
from argos_sync.run.journal import TableRows, make_rows
from argos_sync.run.opening import open_run
from argos_sync.run.run import Run
from argos_sync.run.summary import RunSummary
from argos_sync.shape.contract import SUBMISSIONS, SUPPRESSIONS, load_contract
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.rows import (
    find_submission_ids,
    has_submissions,
    read_rows,
    read_suppression_list,
)

_PLACES = {"userid": (SUBMISSIONS, "userid"), "email": ("applicants", "email")}
"""Where rows have what a person is known by; the id of a submission is in every row."""


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """Proof of what was done, without a value.

    Attributes:
        summary: The run.
        erased: Erased rows by table.
        listed: Entries added to the suppression list.
    """

    summary: RunSummary
    erased: dict[str, int]
    listed: int


def forget(
    context: Context, identifiers: Sequence[Identifier], as_in: str | None = None
) -> ForgetResult:
    """Erase submissions from every table, and list them so that no later run brings them back.

    They are listed first: whatever happens then, they do not come back, and forgetting again
    erases what is left. Where addresses are hashed or encrypted, rows are found by an address as it
    is spelled at the source or in small letters; others go when they are fetched again, for the
    list knows an address in any spelling. A DuckDB file is written anew, without the blocks of what
    was erased; other databases leave those to their own housekeeping, such as PostgreSQL's VACUUM.

    Args:
        context: Settings and target; the API is not asked.
        identifiers: Submissions, user ids, addresses. Of the latter two all submissions are
            erased, and later ones are kept away too.
        as_in: Dataset of the same destination whose list is taken over, before a warehouse is
            loaded anew.

    Raises:
        ConfigurationError: Nobody is named, the warehouse does not have what they are named by, or
            nothing was loaded into the dataset.
        ArgosError: See `api.errors`, `load.failures`.
    """
    if not all(value.strip() for _, value in identifiers) or not (identifiers or as_in):
        remedy = "give --submission-id, --userid or --email"
        raise ConfigurationError("nobody to forget", remedy)
    # First, for a DuckDB file is open in one way at a time.
    with _loaded(context, as_in or context.target.dataset) as other:
        inherited, secrets = _list_of(context, other) if as_in else ({}, {})
    with open_run(context, "forget", uses_api=False) as run:
        with destination_errors():
            submission_ids = sorted(_submission_ids(run, identifiers))
        by_id = [("submission_id", key) for key in submission_ids]
        run.committer.remember(suppression_secrets(run.warehouse.state, secrets))
        inherited_count = sum(rows.num_rows for rows in inherited.values())
        if inherited:
            run.committer.commit(inherited)
        suppressions = run.eraser.suppression_rows([*identifiers, *by_id])
        erased = run.eraser.erase(submission_ids, suppressions, identifiers) if identifiers else {}
    new_count = sum(rows.num_rows for rows in suppressions.values())
    return ForgetResult(run.summary, erased, inherited_count + new_count)


def _submission_ids(run: Run, identifiers: Sequence[Identifier]) -> set[str]:
    """Return the ids of the submissions that are meant."""
    client, policy = run.warehouse.client, run.protection.policy
    found = {value for kind, value in identifiers if kind == "submission_id"}
    for kind, value in identifiers:
        if kind in _PLACES:
            found.update(_submissions_of(client, policy, kind, value))
    return found


def _submissions_of(client: Client, policy: PrivacyPolicy, kind: str, value: str) -> Iterator[str]:
    table, column = _PLACES[kind]
    mode = policy.mode(table, column)
    if mode == "drop" or (has_submissions(client) and not tables_exist(client, [table])):
        raise ConfigurationError(
            f"this warehouse does not keep {table}.{column}, so nobody is found by it",
            "look the submissions up at ARGOS, and give each as --submission-id",
        )
    if mode == "plain":
        yield from find_submission_ids(client, table, column, [value], normalize=kind == "email")
        return
    spellings = {value}
    if kind == "email":
        spellings |= {value.strip(), value.strip().lower()}
    write = policy.hash_value if mode == "hash" else partial(policy.encrypt_value, table, column)
    yield from find_submission_ids(client, table, column, [write(one) for one in spellings])


@contextmanager
def _loaded(context: Context, dataset: str) -> Iterator[ReadOnlyWarehouse]:
    """Open a dataset for reading that was loaded, so that a slip does not pass for an erasure."""
    with (
        open_read_only(replace(context.target, dataset=dataset)) as warehouse,
        destination_errors(),
    ):
        if not tables_exist(warehouse.client, [SUBMISSIONS]):
            raise ConfigurationError(
                f"there are no submissions in the dataset {dataset}", "name one that was loaded"
            )
        yield warehouse


def _list_of(context: Context, other: ReadOnlyWarehouse) -> tuple[TableRows, State]:
    """Return who must not come back to another warehouse, and what was kept for its list."""
    # Says so if the keys it takes are not configured.
    wanted = Protection.configured(context.settings)
    wanted.with_suppression_list(*read_suppression_list(other.client), other.state)
    columns = [column.name for column in load_contract()[SUPPRESSIONS].columns]
    rows = read_rows(other.client, SUPPRESSIONS, columns)
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return make_rows(SUPPRESSIONS, found) if found else {}, suppression_secrets(other.state)
