"""Protection: a warehouse keeps its privacy policy and the keys of its suppression list."""

import shutil
from typing import Any

import duckdb
import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.sync import sync
from argos_sync.config import load_settings
from argos_sync.fetch.protection import PRIVACY, Protection, stored_modes, suppression_secrets
from support import API_KEY, Rows, Warehouse, context_for
from whole_lists import Emulator

HASHED = {"direct": "hash", "key": "a secret that is long enough"}


def configured(privacy: dict[str, Any]) -> Protection:
    """Return the protection for some privacy settings."""
    return Protection.configured(load_settings({"api_key": API_KEY, "privacy": privacy}))


def delete_state(warehouse: Warehouse, tables: str) -> None:
    """Delete a warehouse's state and its working directory."""
    shutil.rmtree(str(warehouse.target.pipelines_dir))
    with duckdb.connect(str(warehouse.target.file)) as connection:
        for table in tables.split():
            connection.execute(f"DELETE FROM argos.{table}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, HASHED),
        (HASHED, {}),
        (HASHED, HASHED | {"key": "another secret of some length"}),
        (HASHED, HASHED | {"quasi": "drop"}),
    ],
)
def test_another_policy_is_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The warehouse's own policy is accepted, and needs no change of the state."""
    state = configured(first).state_changes({})
    configured(first).check(state, has_rows=True)
    assert configured(first).state_changes(state) == {}
    with pytest.raises(ConfigurationError, match="was written with other privacy settings"):
        configured(second).check(state, has_rows=True)


def test_rows_without_a_stored_policy_are_plain() -> None:
    """Without rows any policy is accepted."""
    with pytest.raises(ConfigurationError, match="plain became hash"):
        configured(HASHED).check({}, has_rows=True)
    configured({}).check({}, has_rows=True)
    configured(HASHED).check({}, has_rows=False)
    assert stored_modes({PRIVACY: configured(HASHED).policy.fingerprint()}) != stored_modes({})


def test_the_suppression_key_stays_the_same() -> None:
    """Without a privacy key it is a random secret of the warehouse, kept in its state."""
    key_id, key, state = configured({}).suppression_key({})
    assert configured({}).suppression_key(state) == (key_id, key, state)
    other_key_id, _, other_state = configured({}).suppression_key({})
    assert other_key_id != key_id
    merged = suppression_secrets(state, other_state, {})
    assert set(merged["suppression_secrets"]) == {key_id, other_key_id}
    hashed_key_id, _, kept = configured(HASHED).suppression_key(state)
    assert hashed_key_id != key_id
    assert kept == {}


def test_a_suppression_list_needs_its_keys() -> None:
    """A secret in the state is used whatever the privacy settings are."""
    key_id, key, state = configured({}).suppression_key({})
    listed = configured(HASHED).with_suppression_list(frozenset(["a hash"]), {key_id}, state)
    assert dict(listed.suppression.keys) == {key_id: key}
    with pytest.raises(
        ConfigurationError, match=f"made with the privacy key {key_id}, which is not"
    ):
        configured(HASHED).with_suppression_list(frozenset(["a hash"]), {key_id}, {})


@pytest.mark.tables_made
def test_a_refused_sync_fetches_and_changes_nothing(warehouse: Warehouse, january: Rows) -> None:
    """The policy is checked before the first request."""
    with Emulator(january[:5]) as api:
        with pytest.raises(ConfigurationError, match="was written with other privacy settings"):
            sync(context_for(api.base_url, warehouse.target, privacy=HASHED))
        assert api.request_count == 0
    assert warehouse.count("submissions") == warehouse.count("sync_runs") == 0


@pytest.mark.slow
def test_a_warehouse_without_a_stored_policy_is_plain(warehouse: Warehouse, january: Rows) -> None:
    """Its loads have completed, so its rows were written without a policy."""
    with Emulator(january[:5]) as api:
        sync(context_for(api.base_url, warehouse.target))
        delete_state(warehouse, "_dlt_pipeline_state")
        with pytest.raises(ConfigurationError, match="plain became hash"):
            sync(context_for(api.base_url, warehouse.target, privacy=HASHED))
        sync(context_for(api.base_url, warehouse.target))


@pytest.mark.slow
def test_a_killed_first_load_settles_no_policy(warehouse: Warehouse, january: Rows) -> None:
    """It may have committed rows, but not the state with their policy."""
    with Emulator(january[:5]) as api:
        context = context_for(api.base_url, warehouse.target, privacy=HASHED)
        sync(context)
        delete_state(warehouse, "_dlt_pipeline_state _dlt_loads")
        sync(context)
    names = [row["name"] for row in warehouse.table("applicants") if row["name"]]
    assert names
    assert all(name.startswith("h1.") for name in names)
