"""Notifications of failures and failed checks, and runs whose webhook does not work."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from argos_sync.api import webhook
from argos_sync.api.errors import ConfigurationError, InvalidApiKey
from argos_sync.api.webhook import validate_webhook_url
from argos_sync.commands.sync import sync
from argos_sync.run.opening import open_run
from argos_sync.run.post_run import notify, notify_failure
from listener import Listener
from support import Rows, Warehouse, at, context_for
from whole_lists import Behaviour, Emulator

pytestmark = pytest.mark.tables_made

SECRET = "T0000-secret-in-the-url"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """Listen at the configured webhook URL."""
    with Listener() as server:
        url = f"{server.url}/{SECRET}?key={SECRET}"
        monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", url)
        yield server


def texts(listener: Listener) -> list[str]:
    """Return the posted messages."""
    return [json.loads(post.body)["text"] for post in listener.posts]


@pytest.mark.slow
def test_failures_and_new_fields_are_posted(
    listener: Listener, warehouse: Warehouse, january: Rows
) -> None:
    """A failure is posted with command and dataset; a new field is posted once."""
    with Emulator(january[:10], behaviour=Behaviour(api_key="another")) as api:
        context = context_for(api.base_url, warehouse.target)
        with pytest.raises(InvalidApiKey) as raised:
            sync(context)
        api.behaviour = Behaviour()
        api.store.update(api.store.ids()[-1], {"data": {"futureScalar": "Kim"}, "futureList": []})
        sync(context)
        sync(at(context, context.clock().replace(hour=9)))
    failure, new_fields = texts(listener)
    assert failure == f"argos-sync sync (dataset argos): exit 3: {raised.value}"
    assert new_fields == (
        "argos-sync sync (dataset argos):"
        " submissions: 2 new fields seen: data.futureScalar, futureList"
    )
    assert {post.path for post in listener.posts} == {f"/{SECRET}?key={SECRET}"}


def test_known_errors_are_posted_with_their_message(listener: Listener) -> None:
    """Messages of an `ArgosError` have no personal data."""
    error = InvalidApiKey("the API does not accept the key")
    with pytest.raises(InvalidApiKey), notify_failure("sync", "argos"):
        raise error
    assert texts(listener) == [f"argos-sync sync (dataset argos): exit 3: {error}"]


def test_unexpected_errors_are_posted_by_class(listener: Listener, warehouse: Warehouse) -> None:
    """Their text may quote personal values."""
    context = context_for("http://127.0.0.1:9", warehouse.target)
    with pytest.raises(ValueError, match="Kim"), open_run(context, "refresh"):
        raise ValueError("Kim Minjun")
    assert texts(listener) == ["argos-sync refresh (dataset argos): exit 1: unexpected ValueError"]


@pytest.mark.parametrize(
    ("status", "problem"),
    {500: "status 500", 302: "status 302", None: "no answer in time"}.items(),
)
def test_a_failed_post_is_one_log_line(
    status: int | None,
    problem: str,
    listener: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The line does not have the URL, which is a secret; redirects are not followed."""
    assert webhook._TIMEOUT_SECONDS <= 10
    if status is None:
        monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.3)
    caplog.set_level(logging.DEBUG)
    listener.status, listener.headers = status, {"location": f"{listener.url}/other"}
    notify("sync", "argos", "message")
    lines = [line.getMessage() for line in caplog.records if line.name != "asyncio"]
    assert lines == [f"the webhook was not notified: {problem}"]
    assert len(listener.posts) == 1


def test_an_unreachable_webhook_is_one_log_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is logged if no webhook is configured."""
    notify("sync", "argos", "message")
    assert caplog.messages == []
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"http://127.0.0.1:9/{SECRET}")
    notify("sync", "argos", "message")
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"http://example.com/{SECRET}")
    notify("sync", "argos", "message")
    unreachable, invalid = caplog.messages
    assert unreachable == "the webhook was not notified: ConnectError"
    assert "not notified: runtime.slack_incoming_webhook_url is not" in invalid
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("HTTPS_PROXY", f"socks5://{SECRET}.example", "ImportError"),
        ("HTTPS_PROXY", f"gopher://{SECRET}.example", "ValueError"),
        ("SSL_CERT_FILE", f"/nowhere/{SECRET}", "FileNotFoundError"),
    ],
)
def test_an_environment_that_breaks_requests(
    name: str,
    value: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run fails with its own error; the log line has only the class of the other one."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"https://127.0.0.1:9/{SECRET}")
    with pytest.raises(KeyError, match="Kim"), notify_failure("sync", "argos"):
        raise KeyError("Kim")
    assert caplog.messages == [f"the webhook was not notified: {kind}"]


def test_notify_in_a_notebook(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    """An event loop is already running there."""

    async def cell() -> None:
        notify("sync", "argos", "message")

    asyncio.run(cell())
    assert texts(listener) == ["argos-sync sync (dataset argos): message"]
    assert caplog.messages == []


def test_a_slow_resolver_does_not_delay_a_run(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread is a daemon, so it does not delay the end of the process either."""
    answered = threading.Event()
    threads: list[threading.Thread] = []

    def resolve(*_: object, **__: object) -> None:
        threads.append(threading.current_thread())
        answered.wait(5)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", "https://hooks.example.com/x")
    started = time.monotonic()
    notify("sync", "argos", "message")
    seconds = time.monotonic() - started
    answered.set()
    assert seconds < 3
    assert [thread.daemon for thread in threads] == [True]
    assert caplog.messages == ["the webhook was not notified: no answer in time"]


@pytest.mark.parametrize(
    "value", ["", "hooks.example.com/x", "http://10.0.0.1/x", "https://", "x:y"]
)
def test_invalid_webhook_urls(value: str) -> None:
    """Messages leave the machine only encrypted."""
    with pytest.raises(ConfigurationError) as raised:
        validate_webhook_url(value)
    assert value == "" or value not in str(raised.value)


@pytest.mark.parametrize(
    "value", ["https://hooks.example.com/a?sig=b", "http://localhost:1/x", "http://[::1]/x"]
)
def test_valid_webhook_urls(value: str) -> None:
    """A query is allowed: some services have their secret in it."""
    assert str(validate_webhook_url(value)) == value
