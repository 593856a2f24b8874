"""What leaves the machine beside the rows: traces, metrics, words; nobody's data."""

from __future__ import annotations

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

from argos_sync.emulator import Behaviour, Emulator
from argos_sync.run.summary import RunSummary
from argos_sync.run.telemetry import trace_run
from cli.command import Command
from cli.conftest import KEY
from listener import Listener

TOKEN = "token-of-the-collector"
Numbers = dict[str, float]


@pytest.fixture
def listener(configured: Command, private: set[str]) -> Iterator[Listener]:
    """Collector and webhook in one."""
    with Listener() as listening:
        configured.settings |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": listening.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={TOKEN}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_SERVICE_NAME": "kyc",
            "RUNTIME__SLACK_INCOMING_WEBHOOK_URL": f"{listening.url}/hook",
        }
        configured.private.add(TOKEN)
        yield listening
        assert not [
            text
            for text in private | {str(configured.folder)}
            for post in listening.posts
            if text.encode() in post.body
        ]


def spans(listener: Listener) -> dict[str, dict[str, object]]:
    """The last span of each name, by its name: attributes, and whether it failed."""
    found: dict[str, dict[str, object]] = {}
    for post in listener.posts:
        if post.path == "/v1/traces":
            for one in ExportTraceServiceRequest.FromString(post.body).resource_spans:
                for span in one.scope_spans[0].spans:
                    values = {a.key: a.value for a in span.attributes}
                    found[span.name] = {
                        key: value.int_value if value.HasField("int_value") else value.string_value
                        for key, value in values.items()
                    } | {"failed": span.status.code == 2, "events": len(span.events)}
    return found


def metrics(listener: Listener) -> tuple[str, Numbers]:
    """The service that the last metrics are of, and their values by name."""
    post = [one for one in listener.posts if one.path == "/v1/metrics"][-1]
    (resource,) = ExportMetricsServiceRequest.FromString(post.body).resource_metrics
    (service,) = (a for a in resource.resource.attributes if a.key == "service.name")
    numbers: Numbers = {}
    for metric in resource.scope_metrics[0].metrics:
        (point,) = getattr(metric, str(metric.WhichOneof("data"))).data_points
        names = {a.key: a.value.string_value for a in point.attributes}
        assert names["argos_sync.dataset"] == "argos"
        numbers[metric.name] = point.sum if metric.name.endswith("duration") else point.as_int
    return service.value.string_value, numbers


def test_a_run_is_traced_and_measured(
    configured: Command, api: Emulator, listener: Listener
) -> None:
    """A trace of command, fetch and load, and five numbers, of a good run and of a bad one."""
    summary = configured.json("sync")
    assert {post.headers["authorization"] for post in listener.posts} == {TOKEN}
    seen = spans(listener)
    assert set(seen) == {"argos-sync sync", "argos-sync fetch", "argos-sync load"}
    assert seen["argos-sync load"]["argos_sync.submissions"] == 80
    assert seen["argos-sync sync"]["argos_sync.run_id"] == summary["run_id"]
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
    said = configured.says("sync", code=3)
    (told,) = (json.loads(post.body)["text"] for post in listener.posts if post.path == "/hook")
    assert told == f"argos-sync sync (dataset argos): exit 3: {said}"
    run = spans(listener)["argos-sync sync"]
    assert (run["failed"], run["error.type"], run["events"]) == (True, "InvalidApiKey", 0)
    assert metrics(listener)[1]["argos_sync.exit_status"] == 3


def test_nobody_collects(configured: Command, listener: Listener) -> None:
    """A run does as well without, and says in one line that nobody has its trace."""
    listener.status = 503
    done = configured("sync")
    words = [line for line in done.stderr.splitlines() if "OTEL" in line or "opentelemetry" in line]
    assert len(words) == 1
    assert words[0].endswith("metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT")
    assert KEY not in done.stderr


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """What the environment of this process names."""
    with Listener() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
        yield listening


@pytest.mark.parametrize(
    "setting",
    [
        f"OTEL_EXPORTER_OTLP_HEADERS=a=b,Authorization: Bearer {TOKEN}",
        f"OTEL_RESOURCE_ATTRIBUTES=a=b,{TOKEN}",
        f"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE={TOKEN}",
    ],
)
def test_settings_that_are_not_understood(
    setting: str,
    collector: Listener,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line that names the variable; the SDK's own would quote its value."""
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
def test_settings_that_nothing_can_be_made_of(
    name: str,
    collector: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run goes on unobserved, and says so in one line."""
    monkeypatch.setenv(f"OTEL_{name}", "-1")
    went_on = False
    with trace_run("sync", "argos") as seen, seen.span("fetch"):
        went_on = True
    assert went_on
    assert caplog.messages == [
        "the run is not traced: OpenTelemetry could not be set up (ValueError)"
    ]
    assert collector.posts == []
    assert logging.getLogger("opentelemetry").propagate


def test_an_end_that_fails(
    collector: Listener, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run committed stays a success, its error its own; the rest is sent nevertheless."""

    def failing(shutdown: Callable[..., None]) -> Callable[..., None]:
        def fail(provider: object) -> None:
            shutdown(provider)
            raise RuntimeError(TOKEN)

        return fail

    for provider in (TracerProvider, MeterProvider):
        monkeypatch.setattr(provider, "shutdown", failing(provider.shutdown))
    with trace_run("sync", "argos") as seen:
        seen.summary = RunSummary("run", "sync", datetime.now(UTC))
    assert metrics(collector)[1]["argos_sync.exit_status"] == 0
    with pytest.raises(KeyError, match="its own"), trace_run("sync", "argos"):
        raise KeyError("its own")
    line = "traces or metrics could not be sent to OTEL_EXPORTER_OTLP_ENDPOINT"
    assert caplog.messages == [line, line]
