"""The API client that the configuration asks for."""

from __future__ import annotations

from argos_sync.api import ArgosClient, Envelope, RetryPolicy
from argos_sync.config import Settings


def make_client(
    settings: Settings, page_size: int | None = None, retry: RetryPolicy | None = None
) -> ArgosClient:
    """Return a client as configured.

    Args:
        settings: Checked configuration.
        page_size: Rows to ask for instead of the configured number.
        retry: When to give up instead of the default.

    Raises:
        ConfigurationError: The key, address or encryption cannot work.
    """
    envelope = None
    if settings.encryption != "off":
        key = settings.encryption_key or settings.api_key
        envelope = Envelope(settings.encryption, key, settings.key_derivation)  # type: ignore[arg-type] # checked by load_settings
    return ArgosClient(
        api_key=settings.api_key,
        base_url=settings.base_url,
        request_style=settings.request_style,  # type: ignore[arg-type] # checked by load_settings
        envelope=envelope,
        page_size=page_size or settings.page_size,
        max_requests_per_second=settings.max_requests_per_second,
        retry=retry or RetryPolicy(),
        allow_insecure_http=settings.allow_insecure_http,
    )
