"""Traces and metrics of runs by OpenTelemetry, where its environment variables ask for them.

Everything is configured by `OTEL_...`; without `OTEL_EXPORTER_OTLP_ENDPOINT`, or without the extra
`otel`, nothing is imported and nothing happens. What is sent are names of this package and numbers.
A run does not depend on it: what cannot be set up or sent is a line in the log.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from argos_sync.api.errors import ArgosError
from argos_sync.run.summary import RunSummary

if TYPE_CHECKING:
    from argos_sync.run.otel import Sender

log = logging.getLogger("argos_sync")

_EXTRA = "opentelemetry.exporter.otlp.proto.http"
_INTERRUPTED = 130

_Item = TypeVar("_Item")


def _no_span(_: str, **__: int) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(slots=True)
class RunTrace:
    """A run that may be watched.

    Attributes:
        span: Takes a name and numbers; the block it manages is a part of the run's trace.
        summary: The run, once it has begun.
    """

    span: Callable[..., AbstractContextManager[Any]] = _no_span
    summary: RunSummary | None = None


@contextmanager
def trace_run(command: str, dataset: str) -> Iterator[RunTrace]:
    """Watch a run, and send its trace and its numbers when it has ended.

    Args:
        command: What the block does.
        dataset: Where it loads to.
    """
    if not _is_wanted():
        yield RunTrace()
        return
    sender = _sender(command, dataset)
    if sender is None:
        yield RunTrace()
        return
    seen = RunTrace(sender.span)
    with _overheard() as words:
        try:
            yield seen
        except BaseException as error:
            _end(words, sender.end(seen.summary, _exit_status(error), type(error).__name__))
            raise
        _end(words, sender.end(seen.summary, (seen.summary and seen.summary.exit_status) or 0))


def trace_each(seen: RunTrace, name: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield items, with a span for the time each is waited for."""
    rest = iter(items)
    while True:
        with seen.span(name):
            found = next(rest, None)
        if found is None:
            return
        yield found
        del found  # it may be large, and must not stay while the next is waited for


class _Words(logging.Handler):
    """Hears what the SDK complains about; its own words may hold addresses and passwords.

    Attributes:
        failed: Something was an error to it, such as what could not be sent.
        odd: Something was not as it likes it.
        variables: Those of the environment whose values it spoke of.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.failed = self.odd = False
        self.variables: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Note what it is about."""
        self.odd = True
        self.failed |= record.levelno >= logging.ERROR
        self.variables |= _variables(record)


def _variables(record: logging.LogRecord) -> set[str]:
    """Name the variables that a message names, or quotes a part of the value of."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    said = [one.lower() for one in arguments if isinstance(one, str) and one]
    return {
        name
        for name, value in os.environ.items()
        if name.startswith("OTEL_")
        and any(one == name.lower() or one in value.lower() for one in said)
    }


@contextmanager
def _overheard() -> Iterator[_Words]:
    """Listen to the SDK in the block, so that nobody else has to."""
    words, logger = _Words(), logging.getLogger("opentelemetry")
    propagate = logger.propagate
    logger.addHandler(words)
    logger.propagate = False
    try:
        yield words
    finally:
        logger.removeHandler(words)
        logger.propagate = propagate


def _sender(command: str, dataset: str) -> Sender | None:
    """Set the SDK up, which reads its variables when it is imported and when it is made."""
    sender = None
    with _overheard() as words:
        try:
            from argos_sync.run.otel import Sender  # noqa: PLC0415 half a second, if wanted

            sender = Sender(command, dataset)
        except Exception as error:  # noqa: BLE001 any: the run does not depend on it
            kind = type(error).__name__
            log.warning("the run is not traced: OpenTelemetry could not be set up (%s)", kind)
    if words.odd:
        names = ", ".join(sorted(words.variables)) or "one of its variables"
        log.warning("OpenTelemetry does not understand %s", names)
    return sender


def _end(words: _Words, sent: bool) -> None:
    if words.failed or not sent:
        log.warning("traces or metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT")


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
