"""Validate the API key and the base URL before any request."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

import httpx

from argos_sync.api.errors import ConfigurationError

_URL_REMEDY = "use an address like https://rest-api.argosidentity.com/v3"


def validate_api_key(value: str) -> str:
    """Return an API key that a header can carry.

    Raises:
        ConfigurationError: The key is empty, or has white space or characters outside ASCII.
    """
    if re.fullmatch(r"[!-~]+", value):
        return value
    problem = "has white space or characters outside ASCII" if value else "is empty"
    raise ConfigurationError(
        f"api_key {problem}", "copy the key from the ARGOS dashboard, without line break or quotes"
    )


def validate_base_url(value: str, *, allow_insecure_http: bool) -> httpx.URL:
    """Parse a base URL and check that the key may be sent to it.

    httpx both parses the URL and sends the requests: two parsers could disagree about the host.
    Messages do not contain the URL, because it may contain passwords or keys.

    Args:
        value: The URL.
        allow_insecure_http: Accept plain http to hosts other than this machine.

    Raises:
        ConfigurationError: `value` is not an http or https URL with a host, contains credentials,
            a query or a fragment, or would send the key unencrypted over a network.
    """
    url = httpx.URL()
    with suppress(httpx.InvalidURL):
        url = httpx.URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        problem = "is empty" if not value else "is not an http or https address with a host"
        raise ConfigurationError(f"base_url {problem}", _URL_REMEDY)
    if url.userinfo or not {"?", "#"}.isdisjoint(value):
        raise ConfigurationError("base_url has credentials, a query or a fragment", _URL_REMEDY)
    if url.scheme == "http" and not (allow_insecure_http or is_loopback(url.host)):
        raise ConfigurationError(
            f"base_url would send the API key unencrypted to {url.host}",
            "use https; plain http is allowed for loopback addresses only",
        )
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, without asking a resolver."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
