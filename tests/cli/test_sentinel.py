"""Marked values pass through every failure and command; they stay where the policy allows."""

import gzip
import signal
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from dlt.common.versioned_state import decompress_state

from argos_sync.emulator import Store
from argos_sync.shape.contract import load_contract
from cli.callback import CallbackEmulator
from cli.command import Command
from cli.conftest import KEY
from combinations import some
from published import DIRECT, QUASI, recognisable
from whole_lists import Behaviour

pytestmark = [pytest.mark.process, pytest.mark.slow]

SECRET = "privacy-key-that-nobody-may-see-0123"
FORGOTTEN = 77_777
"""Number of the person to forget; no other number or text contains it."""

POLICIES = [("plain", "plain"), ("hash", "drop"), ("encrypt", "hash")]
RANGE = ("--from", "2026-01-01", "--to", "2026-01-31")


@pytest.fixture
def people() -> list[dict[str, Any]]:
    """Return thirty marked people, one more for the quarantine, and one to forget."""
    valid = [*map(recognisable, range(100, 130)), recognisable(FORGOTTEN)]
    return [*valid, recognisable(130) | {"created_at": None}]


def values(command: Command) -> Iterator[tuple[str, str, str]]:
    """Yield table, column and text of every value of the warehouse, dlt's own tables included.

    Views are left out: they show the values of tables.
    """
    with duckdb.connect(str(command.folder / "kyc.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns()"
            " SEMI JOIN duckdb_tables() USING (schema_name, table_name)"
            " WHERE NOT internal GROUP BY ALL"
        ).fetchall()
        for schema, table, columns in tables:
            for column in columns:
                name = f'"{schema}"."{table}"'
                query = f'SELECT DISTINCT CAST("{column}" AS VARCHAR) FROM {name}'
                for (text,) in connection.execute(query).fetchall():
                    if (table, column) == ("_dlt_pipeline_state", "state"):
                        yield table, column, str(decompress_state(text))
                    elif text is not None:
                        yield table, column, text


def files(command: Command) -> bytes:
    """Return the bytes of all files but the warehouse; compressed ones decompressed as well."""
    raw = [
        path.read_bytes()
        for path in command.folder.rglob("*")
        if path.is_file() and not path.name.startswith("kyc.duckdb")
    ]
    return b"".join(
        raw + [gzip.decompress(content) for content in raw if content[:2] == b"\x1f\x8b"]
    )


@pytest.mark.parametrize(("direct", "quasi"), some(POLICIES, POLICIES[1:2]))
def test_marked_values_stay_where_the_policy_allows(
    argos_sync: Command, people: list[dict[str, Any]], direct: str, quasi: str
) -> None:
    """They do so after a crash, a refusal, changes, a reconcile and a forget, with -v.

    `Command` checks the output of each run.
    """
    argos_sync.private = {DIRECT, QUASI, KEY, SECRET}

    denied: list[int] = []

    def fail(number: int) -> None:
        if number == 3:
            process.kill()
        # More requests may come until the process is dead.
        api.behaviour = Behaviour(api_key=KEY, ip_denied=number in denied)

    with CallbackEmulator(Store(people), before=fail, behaviour=Behaviour(api_key=KEY)) as api:
        argos_sync.settings |= {
            "SOURCES__ARGOS__API_KEY": KEY,
            "SOURCES__ARGOS__BASE_URL": api.base_url,
            "SOURCES__ARGOS__PAGE_SIZE": "8",
            "SOURCES__ARGOS__PRIVACY__DIRECT": direct,
            "SOURCES__ARGOS__PRIVACY__QUASI": quasi,
            "SOURCES__ARGOS__PRIVACY__KEY": SECRET,
        }
        process = argos_sync.start("sync", "-v")
        assert argos_sync.finish(process).returncode == -signal.SIGKILL
        denied.append(api.request_count + 3)
        argos_sync("sync", "-v", code=3)
        argos_sync("sync", "-v")
        api.store.update("sub-101", {"userid": f"{DIRECT}changed"})
        api.store.delete("sub-102")
        argos_sync("reconcile", *RANGE, "--deep", "--max-deleted", "50%", "-v")
        argos_sync("forget", "--submission-id", f"sub-{FORGOTTEN}", "--yes", "-v")
        argos_sync("backfill", *RANGE, "-v")
    stored = list(values(argos_sync))
    assert ("submissions", "submission_id", "sub-101") in stored
    marked = {(table, column) for table, column, text in stored if DIRECT in text or QUASI in text}
    personal = {
        (table.name, column.name)
        for table in load_contract().tables.values()
        for column in table.columns
        if column.privacy in ("direct", "quasi") and column.type in ("text", "json")
    }
    if direct == "plain":
        assert ("applicants", "email") in marked
        assert ("quarantine", "_extra") in marked
        assert marked <= personal
    else:
        assert marked == set()
        raw = (argos_sync.folder / "kyc.duckdb").read_bytes()
        assert DIRECT.encode() not in raw
        assert QUASI.encode() not in raw
    content = files(argos_sync)
    assert content
    for mark in (DIRECT, QUASI, KEY, SECRET, str(FORGOTTEN)):
        assert mark.encode() not in content
        allowed = personal if direct == "plain" and mark in (DIRECT, QUASI) else set()
        assert {(t, c) for t, c, text in stored if mark in text} <= allowed
