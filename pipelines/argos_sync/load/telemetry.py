"""Traces and metrics of runs by OpenTelemetry, where its environment variables ask for them.

Everything is configured by `OTEL_...`; without `OTEL_EXPORTER_OTLP_ENDPOINT`, or without the extra
`otel`, nothing is imported and nothing happens. What is sent are names of this package and numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from argos_sync.api.errors import ArgosError
from argos_sync.load.report import RunReport

_EXTRA = "opentelemetry.exporter.otlp.proto.http"
_INTERRUPTED = 130

_Item = TypeVar("_Item")


def _no_span(_: str, **__: int) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(slots=True)
class Observed:
    """A run that may be watched.

    Attributes:
        span: Takes a name and numbers; the block it manages is a part of the run's trace.
        report: The run, once it has begun.
    """

    span: Callable[..., AbstractContextManager[Any]] = _no_span
    report: RunReport | None = None


@contextmanager
def observed(command: str, dataset: str) -> Iterator[Observed]:
    """Watch a run, and send its trace and its numbers when it has ended.

    Args:
        command: What the block does.
        dataset: Where it loads to.
    """
    if not _is_wanted():
        yield Observed()
        return
    from argos_sync.load.otel import Sender  # noqa: PLC0415 half a second, for who wants it

    seen = Observed()
    with Sender(command, dataset) as sender:
        seen.span = sender.span
        try:
            yield seen
        except BaseException as error:
            sender.end(seen.report, _exit_status(error), type(error).__name__)
            raise
        sender.end(seen.report, (seen.report and seen.report.exit_status) or 0)


def each(seen: Observed, name: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield items, with a span for the time each is waited for."""
    rest = iter(items)
    while True:
        with seen.span(name):
            found = next(rest, None)
        if found is None:
            return
        yield found
        del found  # it may be large, and must not stay while the next is waited for


def _is_wanted() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")) and not disabled and _is_installed()


def _is_installed() -> bool:
    try:
        return find_spec(_EXTRA) is not None
    except ModuleNotFoundError:  # not even the packages around it
        return False


def _exit_status(error: BaseException) -> int:
    if isinstance(error, ArgosError):
        return error.exit_code
    return 1 if isinstance(error, Exception) else _INTERRUPTED
