"""Ways to interrupt a run at a certain point."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from dlt.common.storages import LoadStorage
from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.job_client_impl import SqlJobClientBase, SqlLoadJob

from argos_sync.api.errors import ServerError
from argos_sync.load.errors import LoadError
from argos_sync.run.context import Context
from argos_sync.run.summary import NoProgress, RunSummary
from support import StopAfter
from whole_lists import Emulator


class PowerCut(BaseException):
    """Ends a run immediately; nothing in the package catches it."""


class CutAfter(NoProgress):
    """Progress that ends the run after some chunks."""

    def __init__(self, chunks: int) -> None:
        """End the run after `chunks` loaded chunks."""
        self.remaining = chunks

    def chunk_loaded(self, summary: RunSummary) -> None:
        """End the run if this was the last chunk."""
        self.remaining -= 1
        if self.remaining == 0:
            raise PowerCut


@dataclass(frozen=True)
class Interruption:
    """The way in which a run is interrupted.

    Attributes:
        failure: What fails: the API permanently (`api`), the process between two chunks
            (`process`), the transaction of a chunk (`merge`), the record that the load package is
            complete (`complete_load`), or dlt's clean-up after it (`clean_up`).
        after: The occurrence that fails, counted from 1.
    """

    failure: str
    after: int

    @contextmanager
    def __call__(self, context: Context, api: Emulator) -> Iterator[Context]:
        """Yield the context of a run that is interrupted if it gets that far."""
        if self.failure == "api":
            yield replace(context, progress=StopAfter(api, self.after))
        elif self.failure == "process":
            yield replace(context, progress=CutAfter(self.after))
        else:
            owner, name = PATCHED_METHODS[self.failure]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(owner, name, failing(getattr(owner, name), self.after))
                yield context


PATCHED_METHODS: dict[str, tuple[type, str]] = {
    "merge": (SqlLoadJob, "run"),
    "complete_load": (SqlJobClientBase, "complete_load"),
    "clean_up": (LoadStorage, "complete_load_package"),
}
EXPECTED_ERRORS = (ServerError, LoadError, PowerCut)


def failing(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """Return the function, with one call that fails."""
    calls = iter(range(1, sys.maxsize))

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) == after:
            raise DatabaseTerminalException(OSError("no space left on device"))
        return function(*arguments, **options)

    return call
