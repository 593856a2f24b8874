"""Post a text to a webhook that accepts `{"text": ...}`, such as Slack's."""

from contextlib import suppress
from threading import Thread

import httpx

from argos_sync import __version__
from argos_sync.api.errors import ConfigurationError
from argos_sync.api.transport import is_loopback, quiet_http_loggers

_TIMEOUT_SECONDS = 5.0
"""Limit for the whole request, so that a slow server does not delay the end of a run."""

_TIMEOUT_PROBLEM = "no answer in time"


def validate_webhook_url(value: str) -> httpx.URL:
    """Parse a webhook URL and check that a text may be sent to it.

    Messages never contain the URL: anyone who has it can post to the webhook.

    Raises:
        ConfigurationError: `value` is neither an https URL with a host nor an http URL of this
            machine.
    """
    url = httpx.URL()
    with suppress(httpx.InvalidURL):
        url = httpx.URL(value)
    if url.host and (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))):
        return url
    raise ConfigurationError(
        "runtime.slack_incoming_webhook_url is not an https address with a host",
        "copy the address from Slack, or from another service that accepts a JSON POST with text",
    )


def post_text(url: httpx.URL, text: str) -> str | None:
    """Post a text without personal data to a validated URL; return the problem, if any."""
    quiet_http_loggers()
    problems: list[str | None] = []
    # A DNS lookup cannot be cancelled, so it runs in a daemon thread that nothing waits for.
    thread = Thread(target=lambda: problems.append(_post(url, text)), name="webhook", daemon=True)
    thread.start()
    thread.join(_TIMEOUT_SECONDS)
    return problems[0] if problems else _TIMEOUT_PROBLEM


def _post(url: httpx.URL, text: str) -> str | None:
    try:
        with (
            httpx.Client(
                headers={"user-agent": f"argos-sync/{__version__}"},
                # As for the API: no proxy sees plain requests, and no redirect is followed.
                trust_env=url.scheme == "https",
                follow_redirects=False,
                timeout=_TIMEOUT_SECONDS,
            ) as client,
            client.stream("POST", url, json={"text": text}) as response,
        ):
            return None if response.is_success else f"status {response.status_code}"
    except httpx.TimeoutException:
        return _TIMEOUT_PROBLEM
    except Exception as error:  # noqa: BLE001 - proxy and certificate settings raise various errors
        return type(error).__name__
