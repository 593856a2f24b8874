"""Who is told of failures and news, in what words, and that a run does not depend on them."""

from __future__ import annotations

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
from argos_sync.emulator import Behaviour, Emulator
from argos_sync.run.opening import open_run
from argos_sync.run.post_run import notify, notify_failure
from listener import Listener
from support import Rows, Warehouse, at, context_for

pytestmark = pytest.mark.tables_made

SECRET = "T0000-secret-of-the-address"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """The webhook that is configured."""
    with Listener() as listening:
        url = f"{listening.url}/{SECRET}?key={SECRET}"
        monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", url)
        yield listening


def texts(listener: Listener) -> list[str]:
    """What was told."""
    return [json.loads(post.body)["text"] for post in listener.posts]


def test_failures_and_news_are_told(
    listener: Listener, warehouse: Warehouse, january: Rows
) -> None:
    """Each failure, by command and dataset; each new field and value once."""
    with Emulator(january[:10], behaviour=Behaviour(api_key="another")) as api:
        context = context_for(api.base_url, warehouse.target)
        with pytest.raises(InvalidApiKey) as raised:
            sync(context)
        api.behaviour = Behaviour()
        api.store.update(api.store.ids()[-1], {"data": {"futureScalar": "Kim"}, "futureList": []})
        sync(context)
        sync(at(context, context.clock().replace(hour=9)))
    failed, news = texts(listener)
    assert failed == f"argos-sync sync (dataset argos): exit 3: {raised.value}"
    assert news == (
        "argos-sync sync (dataset argos):"
        " submissions: 2 new fields seen: data.futureScalar, futureList"
    )
    assert {post.path for post in listener.posts} == {f"/{SECRET}?key={SECRET}"}


def test_a_foreign_error_is_told_by_its_kind(listener: Listener, warehouse: Warehouse) -> None:
    """Its text may quote anybody's values."""
    context = context_for("http://127.0.0.1:9", warehouse.target)
    with pytest.raises(ValueError, match="Kim"), open_run(context, "refresh"):
        raise ValueError("Kim Minjun")
    assert texts(listener) == ["argos-sync refresh (dataset argos): exit 1: unexpected ValueError"]


@pytest.mark.parametrize(
    ("status", "words"),
    {500: "status 500", 302: "status 302", None: "no answer in time"}.items(),
)
def test_what_goes_wrong_is_one_line(
    status: int | None,
    words: str,
    listener: Listener,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the address, which is a secret; nobody is sent elsewhere, and nobody waits long."""
    assert webhook._TIMEOUT_SECONDS <= 10
    monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.3)
    caplog.set_level(logging.DEBUG)
    listener.status, listener.headers = status, {"location": f"{listener.url}/elsewhere"}
    notify("sync", "argos", "said")
    lines = [one.getMessage() for one in caplog.records if one.name != "asyncio"]
    assert lines == [f"the webhook was not told: {words}"]
    assert len(listener.posts) == 1


def test_nobody_listens(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line in the log, and no more; without a webhook, not even that."""
    notify("sync", "argos", "said")
    assert caplog.messages == []
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"http://127.0.0.1:9/{SECRET}")
    notify("sync", "argos", "said")
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"http://example.com/{SECRET}")
    notify("sync", "argos", "said")
    connect, refused = caplog.messages
    assert connect == "the webhook was not told: ConnectError"
    assert refused.startswith("the webhook was not told: runtime.slack_incoming_webhook_url is not")
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("HTTPS_PROXY", f"socks5://{SECRET}.example", "ImportError"),
        ("HTTPS_PROXY", f"gopher://{SECRET}.example", "ValueError"),
        ("SSL_CERT_FILE", f"/nowhere/{SECRET}", "FileNotFoundError"),
    ],
)
def test_an_environment_nobody_can_be_told_from(
    name: str,
    value: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run fails with its own error, and the line has the kind of the other one only."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", f"https://127.0.0.1:9/{SECRET}")
    with pytest.raises(KeyError, match="Kim"), notify_failure("sync", "argos"):
        raise KeyError("Kim")
    assert caplog.messages == [f"the webhook was not told: {kind}"]


def test_told_from_a_notebook(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    """Where an event loop runs already."""

    async def cell() -> None:
        notify("sync", "argos", "said")

    asyncio.run(cell())
    assert texts(listener) == ["argos-sync sync (dataset argos): said"]
    assert caplog.messages == []


def test_a_slow_resolver_is_not_waited_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the run nor by the end of the process, which waits for no daemon."""
    answers = threading.Event()
    asking: list[threading.Thread] = []

    def resolve(*_: object, **__: object) -> None:
        asking.append(threading.current_thread())
        answers.wait(5)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_WEBHOOK_URL", "https://hooks.example.com/x")
    began = time.monotonic()
    notify("sync", "argos", "said")
    waited = time.monotonic() - began
    answers.set()
    assert waited < 3
    assert [thread.daemon for thread in asking] == [True]
    assert caplog.messages == ["the webhook was not told: no answer in time"]


@pytest.mark.parametrize(
    "value", ["", "hooks.example.com/x", "http://10.0.0.1/x", "https://", "x:y"]
)
def test_addresses_that_are_refused(value: str) -> None:
    """What is told leaves the machine encrypted or not at all."""
    with pytest.raises(ConfigurationError) as raised:
        validate_webhook_url(value)
    assert value == "" or value not in str(raised.value)


@pytest.mark.parametrize(
    "value", ["https://hooks.example.com/a?sig=b", "http://localhost:1/x", "http://[::1]/x"]
)
def test_addresses_that_are_taken(value: str) -> None:
    """With a query too, which some have their secret in."""
    assert str(validate_webhook_url(value)) == value
