"""`reveal`: decrypt one submission, and record who read it."""

import os
import pwd
import socket
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.fetch.protection import Protection, stored_modes
from argos_sync.load.errors import destination_errors
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.sql import Client
from argos_sync.run.context import Context
from argos_sync.run.journal import make_rows
from argos_sync.shape.column_cipher import RevealError
from argos_sync.shape.contract import REVEALS, load_contract
from argos_sync.shape.identifiers import spellings
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.rows import read_rows, stored_submissions


@dataclass(frozen=True, slots=True)
class RevealedValue:
    """The value that a column would have without encryption.

    Values of the table's index columns, `positions`, identify the row in the submission.
    """

    table: str
    positions: tuple[int, ...]
    column: str
    value: Any


def reveal(
    context: Context, submission_id: str, columns: Sequence[str] = ()
) -> list[RevealedValue]:
    """Decrypt the encrypted values of a submission, and record the access.

    User, host, time and columns are committed to `sync_reveals` before the values are returned.
    The user and host names are those of the operating system, so they are as reliable as it is.
    Columns are given as `table.column`; none means all encrypted columns. The API is not used.

    Returns:
        The values that are not null.

    Raises:
        ConfigurationError: The submission does not exist, a column is not encrypted, or the key is
            not the one that encrypted the values.
        ArgosError: See `load.errors`.
    """
    settings = context.settings
    policy = Protection.configured(settings).policy
    opened = open_warehouse(context.target, settings.sections, "reveal", policy.contract)
    with opened as warehouse, destination_errors():
        client = warehouse.client
        selected = _select_columns(stored_modes(warehouse.state), columns)
        stored_ids = [*stored_submissions(client, spellings("submission_id", submission_id))]
        if not stored_ids:
            remedy = "look for it in submissions.submission_id"
            raise ConfigurationError("the warehouse has no submission with that id", remedy)
        submission_id = stored_ids[0]
        revealed = list(_decrypt_rows(client, policy, submission_id, selected))
        shown = {f"{value.table}.{value.column}" for value in revealed}
        row = {
            "reveal_id": uuid.uuid4().hex,
            "revealed_at": context.clock(),
            "revealed_by": f"{_user()}@{socket.gethostname()}",
            "submission_id": submission_id,
            "columns_shown": ", ".join(sorted(shown)),
        }
        warehouse.load(make_rows(REVEALS, [row]))
    return revealed


def _user() -> str:
    """Return the name of the process's user, or its number if it has no name.

    Environment variables such as LOGNAME are ignored: anybody can set them.
    """
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _select_columns(modes: dict[str, str], columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return table and name of the encrypted columns to reveal, by privacy mode of each column."""
    encrypted = [
        place
        for place, mode in modes.items()
        # Quarantined objects do not belong to a submission.
        if mode == "encrypt"
        and "submission_id" in load_contract()[place.partition(".")[0]].columns_by_name
    ]
    for place in columns:
        if place not in encrypted:
            nearest = get_close_matches(place, encrypted, 1)
            remedy = f"use one of {', '.join(encrypted)}" if encrypted else "read it with SQL"
            raise ConfigurationError(
                "a column of --columns is not encrypted in this warehouse",
                f"did you mean {nearest[0]}? Otherwise {remedy}" if nearest else remedy,
            )
    return [(table, name) for table, _, name in (p.partition(".") for p in columns or encrypted)]


def _decrypt_rows(
    client: Client, policy: PrivacyPolicy, submission_id: str, columns: Sequence[tuple[str, str]]
) -> Iterator[RevealedValue]:
    try:
        for table, column in columns:
            index = load_contract()[table].index_columns
            rows = read_rows(client, table, ("submission_id", *index, column), [submission_id])
            for _, *positions, text in rows:
                if text is not None:
                    value = policy.reveal(table, column, text)
                    yield RevealedValue(table, tuple(positions), column, value)
    except RevealError as error:
        raise ConfigurationError(
            str(error),
            "set sources.argos.privacy.key, or old_keys, to the key it was written with",
        ) from None
