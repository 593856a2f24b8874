"""Checks of what the client is given, before the key goes anywhere."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress

import httpx

from argos_sync.api.errors import ConfigurationError

_URL_REMEDY = "use an address like https://rest-api.argosidentity.com/v3"


def validate_api_key(value: str) -> str:
    """Return `value` if it can stand in a header.

    Raises:
        ConfigurationError: It is empty, or has white space or characters outside ASCII.
    """
    if re.fullmatch(r"[!-~]+", value):
        return value
    received = "has white space or characters outside ASCII" if value else "is empty"
    raise ConfigurationError(
        f"api_key {received}", "copy the key from the ARGOS dashboard, without line break or quotes"
    )


def validate_base_url(value: str, *, allow_insecure_http: bool) -> httpx.URL:
    """Return `value` parsed, if the key may be sent there.

    Parsed by httpx, which also sends: two parsers could disagree about where the host is. The
    value itself is not repeated, for addresses are where passwords and pasted keys end up.

    Raises:
        ConfigurationError: It is no http(s) address with a host, holds credentials, a query or a
            fragment, or would send the key in clear text over a network.
    """
    url = httpx.URL()
    with suppress(httpx.InvalidURL):
        url = httpx.URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        received = "is empty" if not value else "is not an http or https address with a host"
        raise ConfigurationError(f"base_url {received}", _URL_REMEDY)
    if url.userinfo or not {"?", "#"}.isdisjoint(value):
        raise ConfigurationError("base_url holds credentials, a query or a fragment", _URL_REMEDY)
    if url.scheme == "http" and not (allow_insecure_http or is_loopback(url.host)):
        raise ConfigurationError(
            f"base_url would send the API key unencrypted to {url.host}",
            "use https; plain http is for loopback addresses",
        )
    return url


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by definition, not by some resolver's word."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
