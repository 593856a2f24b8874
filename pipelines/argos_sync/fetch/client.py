"""The options of the API client, made from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from argos_sync.api import ArgosClient, Envelope, RetryPolicy

if TYPE_CHECKING:
    from argos_sync.config import Settings


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Everything it takes to connect to the API.

    The fetch process gets these options instead of the settings, whose module imports dlt. They can
    be pickled and contain keys, so `repr` hides them.

    Attributes:
        arguments: Keyword arguments of `ArgosClient`.
    """

    arguments: Mapping[str, Any] = field(repr=False)

    def connect(self) -> ArgosClient:
        """Return a client.

        Raises:
            ConfigurationError: The key or the address is invalid.
        """
        return ArgosClient(**self.arguments)


def client_options(
    settings: Settings, page_size: int | None = None, retry: RetryPolicy | None = None
) -> ClientOptions:
    """Return the client options for a configuration.

    Args:
        settings: Checked configuration.
        page_size: Rows per page instead of the configured number.
        retry: Retry policy instead of the default.

    Raises:
        ConfigurationError: The encryption settings are invalid.
    """
    envelope = None
    if settings.encryption != "off":
        key = settings.encryption_key or settings.api_key
        envelope = Envelope(settings.encryption, key, settings.key_derivation)
    return ClientOptions(
        {
            "api_key": settings.api_key,
            "base_url": settings.base_url,
            "request_style": settings.request_style,
            "envelope": envelope,
            "page_size": page_size or settings.page_size,
            "max_requests_per_second": settings.max_requests_per_second,
            "retry": retry or RetryPolicy(),
            "allow_insecure_http": settings.allow_insecure_http,
        }
    )
