"""Traces, metrics and notifications leave the machine without personal data."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from argos_sync.run.summary import RunSummary
from argos_sync.run.telemetry import trace_run
from cli.command import Command
from cli.conftest import KEY
from listener import Listener
from whole_lists import Behaviour, Emulator

TOKEN = "token-of-the-collector"
Numbers = dict[str, float]


@pytest.fixture
def listener(configured: Command, private: set[str]) -> Iterator[Listener]:
    """Run a server that is both collector and webhook; check that it got no personal data."""
    with Listener() as server:
        configured.settings |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={TOKEN}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_SERVICE_NAME": "kyc",
            "RUNTIME__SLACK_INCOMING_WEBHOOK_URL": f"{server.url}/hook",
        }
        configured.private.add(TOKEN)
        yield server
        assert not [
            text
            for text in private | {str(configured.folder)}
            for post in server.posts
            if text.encode() in post.body
        ]


def spans(listener: Listener) -> dict[str, dict[str, object]]:
    """Return the last span of each name: its attributes, and whether it failed."""
    spans_by_name: dict[str, dict[str, object]] = {}
    for post in listener.posts:
        if post.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(post.body).resource_spans:
                for span in resource.scope_spans[0].spans:
                    values = {a.key: a.value for a in span.attributes}
                    spans_by_name[span.name] = {
                        key: value.int_value if value.HasField("int_value") else value.string_value
                        for key, value in values.items()
                    } | {"failed": span.status.code == 2, "events": len(span.events)}
    return spans_by_name


def metrics(listener: Listener) -> tuple[str, Numbers]:
    """Return the service name of the last metrics, and their values by name."""
    body = [post.body for post in listener.posts if post.path == "/v1/metrics"][-1]
    (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
    (service,) = (a for a in resource.resource.attributes if a.key == "service.name")
    numbers: Numbers = {}
    for metric in resource.scope_metrics[0].metrics:
        (point,) = getattr(metric, str(metric.WhichOneof("data"))).data_points
        names = {a.key: a.value.string_value for a in point.attributes}
        assert names["argos_sync.dataset"] == "argos"
        numbers[metric.name] = point.sum if metric.name.endswith("duration") else point.as_int
    return service.value.string_value, numbers


@pytest.mark.process
def test_a_run_is_traced_and_measured(
    configured: Command, api: Emulator, listener: Listener
) -> None:
    """A run, successful or failed, has spans of command, fetch and load, and five metrics."""
    summary = configured.json("sync")
    assert {post.headers["authorization"] for post in listener.posts} == {TOKEN}
    recorded = spans(listener)
    assert set(recorded) == {"argos-sync sync", "argos-sync fetch", "argos-sync load"}
    assert recorded["argos-sync load"]["argos_sync.submissions"] == 80
    assert recorded["argos-sync sync"]["argos_sync.run_id"] == summary["run_id"]
    service, numbers = metrics(listener)
    assert service == "kyc"
    assert 0 < numbers.pop("argos_sync.duration") < 60
    tables = "applicants kyc kyc_comments attempts attempt_retries aml matches match_risk_icons"
    rows = sum(
        configured.rows(f"SELECT COUNT(*) FROM {name}")[0][0]
        for name in ("submissions", "bank_verification", "additional_answers", *tables.split())
    )
    assert numbers == {
        "argos_sync.rows": rows,
        "argos_sync.requests": summary["requests"],
        "argos_sync.retries": 0,
        "argos_sync.exit_status": 0,
    }

    listener.posts.clear()
    api.behaviour = Behaviour(api_key="another")
    message = configured.error_line("sync", code=3)
    (text,) = (json.loads(post.body)["text"] for post in listener.posts if post.path == "/hook")
    assert text == f"argos-sync sync (dataset argos): exit 3: {message}"
    run = spans(listener)["argos-sync sync"]
    assert (run["failed"], run["error.type"], run["events"]) == (True, "InvalidApiKey", 0)
    assert metrics(listener)[1]["argos_sync.exit_status"] == 3


@pytest.mark.process
def test_a_failing_collector(configured: Command, listener: Listener) -> None:
    """The run succeeds, and logs one line about the lost trace."""
    listener.status = 503
    done = configured("sync")
    lines = [line for line in done.stderr.splitlines() if "OTEL" in line or "opentelemetry" in line]
    assert len(lines) == 1
    assert lines[0].endswith("metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT")
    assert KEY not in done.stderr


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Run a collector, and name it in the environment of this process."""
    with Listener() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        yield server


@pytest.mark.parametrize(
    "setting",
    [
        f"OTEL_EXPORTER_OTLP_HEADERS=a=b,Authorization: Bearer {TOKEN}",
        f"OTEL_RESOURCE_ATTRIBUTES=a=b,{TOKEN}",
        f"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE={TOKEN}",
    ],
)
def test_invalid_settings_of_opentelemetry(
    setting: str,
    collector: Listener,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One log line names the variable; the SDK's own line would quote its value."""
    name, value = setting.split("=", 1)
    monkeypatch.setenv(name, value)
    with trace_run("sync", "argos"):
        pass
    assert caplog.messages == [f"OpenTelemetry does not understand {name}"]
    assert TOKEN not in "".join((caplog.text, *capfd.readouterr()))
    assert "argos-sync sync" in spans(collector)
    assert logging.getLogger("opentelemetry").propagate
    assert not logging.getLogger("opentelemetry").handlers


@pytest.mark.parametrize("name", ["SPAN_ATTRIBUTE_COUNT_LIMIT", "BSP_MAX_QUEUE_SIZE"])
def test_settings_that_opentelemetry_cannot_use(
    name: str,
    collector: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run continues without a trace, and logs one line."""
    monkeypatch.setenv(f"OTEL_{name}", "-1")
    continued = False
    with trace_run("sync", "argos") as trace, trace.span("fetch"):
        continued = True
    assert continued
    assert caplog.messages == [
        "the run is not traced: OpenTelemetry could not be set up (ValueError)"
    ]
    assert collector.posts == []
    assert logging.getLogger("opentelemetry").propagate


def test_a_failing_shutdown_of_opentelemetry(
    collector: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes neither success nor error of the run, and the other signal is still sent."""

    def failing(shutdown: Callable[..., None]) -> Callable[..., None]:
        def fail(provider: object) -> None:
            shutdown(provider)
            raise RuntimeError(TOKEN)

        return fail

    for provider in (TracerProvider, MeterProvider):
        monkeypatch.setattr(provider, "shutdown", failing(provider.shutdown))
    with trace_run("sync", "argos") as trace:
        trace.summary = RunSummary("run", "sync", datetime.now(UTC))
    assert metrics(collector)[1]["argos_sync.exit_status"] == 0
    with pytest.raises(KeyError, match="its own"), trace_run("sync", "argos"):
        raise KeyError("its own")
    line = "traces or metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT"
    assert caplog.messages == [line, line]
