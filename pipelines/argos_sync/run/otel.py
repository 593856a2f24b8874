"""Set up the OpenTelemetry SDK for one run.

Only `telemetry` imports this module, and only if telemetry is on.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from argos_sync import __version__
from argos_sync.run.summary import RunSummary

NAME = "argos_sync"


class RunExporter:
    """Exports the trace and the metrics of one run.

    It has its own providers, so those of a surrounding application stay as they are. Spans that are
    still in a queue are sent at the end.
    """

    def __init__(self, command: str, dataset: str) -> None:
        """Start the trace of a command that loads to a dataset.

        Raises:
            Exception: Any kind, if the SDK cannot interpret a variable.
        """
        service = {"service.name": "argos-sync", "service.version": __version__}
        resource = Resource(service).merge(OTELResourceDetector().detect())
        self._attributes = {f"{NAME}.command": command, f"{NAME}.dataset": dataset}
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # Never exports periodically: the numbers of a run are known when it has ended.
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), math.inf)
        self._meters = MeterProvider([reader], resource=resource)
        self._started = time.monotonic()
        self._tracer = self._tracers.get_tracer(NAME, __version__)
        self._run_span = self._tracer.start_span(
            f"argos-sync {command}", attributes=self._attributes
        )

    @contextmanager
    def span(self, name: str, **numbers: int) -> Iterator[None]:
        """Add a span for the block to the trace, with numbers as attributes.

        Its name gets the prefix `argos-sync`.
        """
        span = self._tracer.start_span(
            f"argos-sync {name}",
            context=trace.set_span_in_context(self._run_span),
            attributes={f"{NAME}.{key}": value for key, value in numbers.items()},
        )
        try:
            yield
        except BaseException as error:
            _set_error(span, type(error).__name__)
            raise
        finally:
            span.end()

    def end(self, summary: RunSummary | None, exit_status: int, error: str | None) -> bool:
        """Record how the run ended, send everything, and return whether that worked.

        There is no summary if the run failed before it started. The error is the name of its class:
        its text may quote values.
        """
        steps = (
            partial(self._record_end, summary, exit_status, error),
            self._tracers.shutdown,
            self._meters.force_flush,
            self._meters.shutdown,
        )
        is_sent = True
        for step in steps:
            try:
                step()
            except Exception:  # noqa: BLE001 telemetry must not fail a run, nor stop the other steps
                is_sent = False
        return is_sent

    def _record_end(self, summary: RunSummary | None, exit_status: int, error: str | None) -> None:
        meter = self._meters.get_meter(NAME, __version__)
        counts = {
            name: getattr(summary, name) for name in ("rows", "requests", "retries") if summary
        }
        for name, count in counts.items():
            meter.create_counter(f"{NAME}.{name}").add(count, self._attributes)
            self._run_span.set_attribute(f"{NAME}.{name}", count)
        meter.create_gauge(f"{NAME}.exit_status").set(exit_status, self._attributes)
        seconds = time.monotonic() - self._started
        meter.create_histogram(f"{NAME}.duration", "s").record(seconds, self._attributes)
        self._run_span.set_attribute(f"{NAME}.exit_status", exit_status)
        if summary:
            self._run_span.set_attribute(f"{NAME}.run_id", summary.run_id)
        if error:
            _set_error(self._run_span, error)
        self._run_span.end()


def _set_error(span: trace.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)
