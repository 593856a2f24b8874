"""The OpenTelemetry SDK, set up for one run; imported by `telemetry` when it is wanted."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from argos_sync import __version__
from argos_sync.load.report import RunReport

log = logging.getLogger("argos_sync")

NAME = "argos_sync"


class _Failures(logging.Handler):
    """Notes that something was not sent; the SDK's own words may hold addresses and passwords."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.met = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.met = record is not None


class Sender:
    """Sends the trace and the metrics of one run to where the environment says.

    A context manager; what has not been sent yet is sent at its end. Its providers are its own, so
    that a pipeline or an orchestrator around it keeps theirs.
    """

    def __init__(self, command: str, dataset: str) -> None:
        """Begin the trace.

        Args:
            command: What the run does.
            dataset: Where it loads to.
        """
        named = {"service.name": "argos-sync", "service.version": __version__}
        resource = Resource(named).merge(OTELResourceDetector().detect())
        self._attributes = {f"{NAME}.command": command, f"{NAME}.dataset": dataset}
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # Without a rhythm of its own: the numbers of a run are known when it has ended.
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), math.inf)
        self._meters = MeterProvider([reader], resource=resource)
        self._failures = _Failures()
        self._began = time.monotonic()
        tracer = self._tracers.get_tracer(NAME, __version__)
        self._run = tracer.start_span(f"argos-sync {command}", attributes=self._attributes)
        self._tracer = tracer

    def __enter__(self) -> Self:
        """Listen to what the SDK complains about, so that nobody else has to."""
        words = logging.getLogger("opentelemetry")
        words.addHandler(self._failures)
        words.propagate = False
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send what is left; that it cannot be sent is a line in the log."""
        self._tracers.shutdown()
        self._meters.force_flush()
        self._meters.shutdown()
        words = logging.getLogger("opentelemetry")
        words.removeHandler(self._failures)
        words.propagate = True
        if self._failures.met:
            log.warning("traces or metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT")

    @contextmanager
    def span(self, name: str, **numbers: int) -> Iterator[None]:
        """Make the block a part of the trace.

        Args:
            name: Of the part.
            numbers: What is known of it beforehand.
        """
        part = self._tracer.start_span(
            f"argos-sync {name}",
            context=trace.set_span_in_context(self._run),
            attributes={f"{NAME}.{key}": value for key, value in numbers.items()},
        )
        try:
            yield
        except BaseException as error:
            _mark(part, type(error).__name__)
            raise
        finally:
            part.end()

    def end(self, report: RunReport | None, exit_status: int, error: str | None = None) -> None:
        """Note how the run ended.

        Args:
            report: Its numbers; None when it ended before it began.
            exit_status: Of the command.
            error: Kind of the error it ended with, whose text may quote values.
        """
        meter = self._meters.get_meter(NAME, __version__)
        counts = {name: getattr(report, name) for name in ("rows", "requests", "retries") if report}
        for name, count in counts.items():
            meter.create_counter(f"{NAME}.{name}").add(count, self._attributes)
            self._run.set_attribute(f"{NAME}.{name}", count)
        meter.create_gauge(f"{NAME}.exit_status").set(exit_status, self._attributes)
        seconds = time.monotonic() - self._began
        meter.create_histogram(f"{NAME}.duration", "s").record(seconds, self._attributes)
        self._run.set_attribute(f"{NAME}.exit_status", exit_status)
        if report:
            self._run.set_attribute(f"{NAME}.run_id", report.run_id)
        if error:
            _mark(self._run, error)
        self._run.end()


def _mark(span: trace.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)
