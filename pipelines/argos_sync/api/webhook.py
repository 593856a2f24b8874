"""A webhook that takes `{"text": ...}`, such as Slack's: told in one request, within seconds."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

import httpx

from argos_sync import __version__
from argos_sync.api.errors import ConfigurationError
from argos_sync.api.settings import is_loopback
from argos_sync.api.transport import quiet_http_loggers

_TIMEOUT_SECONDS = 5.0
"""For everything, so that a trickle of bytes does not hold a run that is over."""

_TIMEOUT_PROBLEM = "no answer in time"


def validate_webhook_url(value: str) -> httpx.URL:
    """Return `value` parsed, if what is told may be sent there.

    The value itself is never repeated: who has it can write where it leads.

    Raises:
        ConfigurationError: It is no https address with a host, or http of another machine.
    """
    url = httpx.URL()
    with suppress(httpx.InvalidURL):
        url = httpx.URL(value)
    if url.host and (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        return url
    raise ConfigurationError(
        "runtime.slack_incoming_webhook_url is not an https address with a host",
        "use the address as Slack, or whoever takes a JSON POST with text, gives it",
    )


def post_text(url: httpx.URL, text: str) -> str | None:
    """Post a text; return what kept it from arriving, None when it did.

    Args:
        url: Checked.
        text: Without keys and anybody's data.
    """
    quiet_http_loggers()
    found: SimpleQueue[str | None] = SimpleQueue()
    # Asking for an address can be given up by leaving it to a thread that nobody waits for, and
    # in no other way.
    Thread(target=lambda: found.put(_post(url, text)), name="webhook", daemon=True).start()
    try:
        return found.get(timeout=_TIMEOUT_SECONDS)
    except Empty:
        return _TIMEOUT_PROBLEM


def _post(url: httpx.URL, text: str) -> str | None:
    try:
        with (
            httpx.Client(
                headers={"user-agent": f"argos-sync/{__version__}"},
                # As for the API: no proxy sees plain requests, and nobody sends the text elsewhere.
                trust_env=url.scheme == "https",
                follow_redirects=False,
                timeout=_TIMEOUT_SECONDS,
            ) as client,
            client.stream("POST", url, json={"text": text}) as answer,
        ):
            return None if answer.is_success else f"status {answer.status_code}"
    except httpx.TimeoutException:
        return _TIMEOUT_PROBLEM
    except Exception as error:  # noqa: BLE001 the environment's proxy and certificates raise any
        return type(error).__name__
