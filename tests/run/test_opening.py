"""Open a run: what rows need in order to be read is committed before them."""

from contextlib import suppress
from time import monotonic

from argos_sync.fetch.protection import PRIVACY
from argos_sync.load.read_only import open_read_only
from argos_sync.run.opening import open_run
from support import Warehouse, context_for

POLICY = {"direct": "hash", "key": "a secret that is long enough"}


def test_the_privacy_policy_is_committed_before_rows(warehouse: Warehouse) -> None:
    """A run that is killed in its first load package leaves no rows of an unknown policy."""
    context = context_for("http://127.0.0.1:1/v3", warehouse.target, privacy=POLICY)
    with suppress(KeyboardInterrupt), open_run(context, "sync") as run:
        fingerprint = run.protection.policy.fingerprint()
        raise KeyboardInterrupt
    with open_read_only(warehouse.target) as view:
        assert view.state[PRIVACY] == fingerprint


def test_seconds_are_those_of_the_whole_run(warehouse: Warehouse) -> None:
    """They include opening, the last load and the checks, which the record cannot know."""
    context = context_for("http://127.0.0.1:1/v3", warehouse.target)
    started = monotonic()
    with open_run(context, "sync", uses_api=False) as run:
        pass
    elapsed = monotonic() - started
    assert run.summary.ended_at == run.summary.started_at  # the clock of the record stands still
    assert 0.9 * elapsed < run.summary.seconds <= elapsed + 0.001  # rounded
