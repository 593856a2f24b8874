"""The OpenTelemetry SDK, set up for one run; imported by `telemetry` when it is wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
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


class Sender:
    """Sends the trace and the metrics of one run to where the environment says.

    What has not been sent yet is sent at the end. Its providers are its own, so that a pipeline or
    an orchestrator around it keeps theirs.
    """

    def __init__(self, command: str, dataset: str) -> None:
        """Begin the trace.

        Args:
            command: What the run does.
            dataset: Where it loads to.

        Raises:
            Exception: Any, where the SDK can make nothing of a variable.
        """
        named = {"service.name": "argos-sync", "service.version": __version__}
        resource = Resource(named).merge(OTELResourceDetector().detect())
        self._attributes = {f"{NAME}.command": command, f"{NAME}.dataset": dataset}
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # Without a rhythm of its own: the numbers of a run are known when it has ended.
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), math.inf)
        self._meters = MeterProvider([reader], resource=resource)
        self._began = time.monotonic()
        tracer = self._tracers.get_tracer(NAME, __version__)
        self._run = tracer.start_span(f"argos-sync {command}", attributes=self._attributes)
        self._tracer = tracer

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

    def end(self, report: RunSummary | None, exit_status: int, error: str | None = None) -> bool:
        """Note how the run ended, and send what is left; return whether nothing failed.

        Args:
            report: Its numbers; None when it ended before it began.
            exit_status: Of the command.
            error: Kind of the error it ended with, whose text may quote values.
        """
        steps = (
            partial(self._note, report, exit_status, error),
            self._tracers.shutdown,
            self._meters.force_flush,
            self._meters.shutdown,
        )
        failed = [step for step in steps if not _is_done(step)]  # one that fails stops no other
        return not failed

    def _note(self, report: RunSummary | None, exit_status: int, error: str | None) -> None:
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


def _is_done(step: Callable[[], object]) -> bool:
    try:
        step()
    except Exception:  # noqa: BLE001 whatever it is, the run is over and stays as it ended
        return False
    return True


def _mark(span: trace.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)
