"""Send a run's trace and metrics with OpenTelemetry, if its environment variables configure it.

All settings are the standard `OTEL_...` variables. Without `OTEL_EXPORTER_OTLP_ENDPOINT`, or
without the extra `otel`, nothing is imported or sent. Spans and metrics hold names of this package
and numbers. Failures to set up or to send telemetry are logged and never fail a run.
"""

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
    from argos_sync.run.otel import RunExporter

log = logging.getLogger("argos_sync")

_EXTRA = "opentelemetry.exporter.otlp.proto.http"
_INTERRUPTED = 130

_Item = TypeVar("_Item")


@dataclass(slots=True)
class RunTrace:
    """The trace of a run; does nothing if telemetry is off.

    `span` takes a name and numbers, and returns a context manager for a span of the trace.
    `summary` is None until the run has started.
    """

    span: Callable[..., AbstractContextManager[Any]] = lambda _name, **_numbers: nullcontext()
    summary: RunSummary | None = None


@contextmanager
def trace_run(command: str, dataset: str) -> Iterator[RunTrace]:
    """Trace a run, and send its trace and metrics when it has ended."""
    exporter = _set_up(command, dataset) if _is_enabled() else None
    if exporter is None:
        yield RunTrace()
        return
    run_trace = RunTrace(exporter.span)
    with _capture_sdk_log() as sdk_log:
        kind: str | None = None
        try:
            yield run_trace
            exit_status = (run_trace.summary and run_trace.summary.exit_status) or 0
        except BaseException as error:
            kind = type(error).__name__
            exit_status = 1 if isinstance(error, Exception) else _INTERRUPTED
            if isinstance(error, ArgosError):
                exit_status = error.exit_code
            raise
        finally:
            is_sent = exporter.end(run_trace.summary, exit_status, kind)
            if sdk_log.has_errors or not is_sent:
                log.warning("traces or metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT")


def trace_each(run_trace: RunTrace, name: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield items, with a span around the wait for each."""
    iterator = iter(items)
    while True:
        with run_trace.span(name):
            item = next(iterator, None)
        if item is None:
            return
        yield item
        del item  # it may be large, and must be freed before the next one is built


class _SdkLog(logging.Handler):
    """Records that the SDK has logged problems, but not its messages: they may quote secrets.

    An error is a failed export, for example; `variables` names the environment variables that the
    messages are about.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.has_errors = self.has_warnings = False
        self.variables: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Record that a message was logged, and the variables it is about."""
        self.has_warnings = True
        self.has_errors |= record.levelno >= logging.ERROR
        self.variables |= _variables_in(record)


def _variables_in(record: logging.LogRecord) -> set[str]:
    """Return the OTEL_... variables whose name or part of whose value a message contains."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    texts = [text.lower() for text in arguments if isinstance(text, str) and text]
    return {
        name
        for name, value in os.environ.items()
        if name.startswith("OTEL_")
        and any(text == name.lower() or text in value.lower() for text in texts)
    }


@contextmanager
def _capture_sdk_log() -> Iterator[_SdkLog]:
    """Keep the SDK's messages in the block out of the log."""
    handler, logger = _SdkLog(), logging.getLogger("opentelemetry")
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _set_up(command: str, dataset: str) -> "RunExporter | None":
    """Return an exporter, or log why there is none.

    The SDK reads its variables when it is imported and when its objects are created.
    """
    exporter = None
    with _capture_sdk_log() as sdk_log:
        try:
            from argos_sync.run.otel import RunExporter  # noqa: PLC0415 takes half a second

            exporter = RunExporter(command, dataset)
        except Exception as error:  # noqa: BLE001 telemetry must not fail a run
            kind = type(error).__name__
            log.warning("the run is not traced: OpenTelemetry could not be set up (%s)", kind)
    if sdk_log.has_warnings:
        names = ", ".join(sorted(sdk_log.variables)) or "one of its variables"
        log.warning("OpenTelemetry does not understand %s", names)
    return exporter


def _is_enabled() -> bool:
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return False
    try:
        return find_spec(_EXTRA) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
