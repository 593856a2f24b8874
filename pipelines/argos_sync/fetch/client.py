"""The API client that the configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from argos_sync.api import ArgosClient, Envelope, RetryPolicy

if TYPE_CHECKING:
    from argos_sync.config import Settings


@dataclass(frozen=True, slots=True)
class ClientMaker:
    """Makes a client each time it is called.

    It goes to the process that fetches in place of the settings, which would make that process
    import dlt; pickled it carries keys.

    Attributes:
        options: Arguments of `ArgosClient`.
    """

    options: Mapping[str, Any] = field(repr=False)

    def __call__(self) -> ArgosClient:
        """Return a client.

        Raises:
            ConfigurationError: The key or the address cannot work.
        """
        return ArgosClient(**self.options)


def client_maker(
    settings: Settings, page_size: int | None = None, retry: RetryPolicy | None = None
) -> ClientMaker:
    """Return what makes clients as configured.

    Args:
        settings: Checked configuration.
        page_size: Rows to ask for instead of the configured number.
        retry: When to give up instead of the default.

    Raises:
        ConfigurationError: The encryption cannot work.
    """
    envelope = None
    if settings.encryption != "off":
        key = settings.encryption_key or settings.api_key
        envelope = Envelope(settings.encryption, key, settings.key_derivation)  # type: ignore[arg-type] # checked by load_settings
    return ClientMaker(
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
