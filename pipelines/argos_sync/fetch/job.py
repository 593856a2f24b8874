"""The fetch job: what to read from the API, and the options of the client that reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from argos_sync.api.budget import DailyBudget
from argos_sync.api.client import ArgosClient
from argos_sync.api.crypto import Envelope
from argos_sync.api.retry import RetryPolicy
from argos_sync.fetch.clock import Clock
from argos_sync.fetch.completeness import Reading
from argos_sync.fetch.protection import NO_PROTECTION, Protection
from argos_sync.fetch.work_queue import WorkQueue

if TYPE_CHECKING:
    from argos_sync.config import Settings

CHUNK_SUBMISSIONS = 20_000
"""Submissions per chunk. A load package costs about half a second however small it is, so a chunk
should carry seconds of work; a thousand submissions take about 3 MB of memory. The first chunk of a
job has half as many, so that loading starts sooner."""

CHUNK_BYTES = 32 * 1024 * 1024
"""Bytes of Arrow rows per chunk, for submissions that are larger than usual: 20,000 usual ones have
31 MB. Each process holds a chunk a few times over, and DuckDB keeps a chunk in memory until it is
committed."""


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Keyword arguments of `ArgosClient`: everything it takes to connect to the API.

    The fetch process gets these options instead of the settings, whose module imports dlt. They can
    be pickled and contain keys, so `repr` hides them.
    """

    arguments: Mapping[str, Any] = field(repr=False)

    def connect(self) -> ArgosClient:
        """Return a client.

        Raises:
            ConfigurationError: The key or the address is invalid.
        """
        return ArgosClient(**self.arguments)


def client_options(
    settings: "Settings",
    page_size: int | None = None,
    retry: RetryPolicy | None = None,
    budget: DailyBudget | None = None,
) -> ClientOptions:
    """Return the configured client options; `page_size` and `retry` override the usual values.

    Without a `budget` the requests of a day are not limited.

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
            "budget": budget or DailyBudget(),
            "allow_insecure_http": settings.allow_insecure_http,
        }
    )


@dataclass(frozen=True, slots=True)
class FetchJob:
    """What to read from the API and how.

    Attributes:
        run_id: Id of the run, written to issues and quarantine.
        queue: The tasks to read; it records their progress.
        reading: How whole submissions are read, and which sections of them.
        client: Options of the API client.
        clock: Returns the moment when a page was received, UTC.
        protection: Protects submissions before they become rows.
        chunk_size: Submissions per chunk.
        chunk_bytes: Bytes of rows per chunk; the page that exceeds them is the chunk's last.
        single_package: Whether all chunks are committed in one load package. Only the first version
            of each submission is then used.
        stored_hashes: Content hashes of stored submissions by id, without deleted ones; they may be
            incomplete. A submission that has its stored hash does not become rows.
    """

    run_id: str
    queue: WorkQueue
    reading: Reading
    client: ClientOptions
    clock: Clock
    protection: Protection = NO_PROTECTION
    chunk_size: int = CHUNK_SUBMISSIONS
    single_package: bool = False
    stored_hashes: Mapping[str, str] = field(default_factory=dict)
    chunk_bytes: int = CHUNK_BYTES

    @property
    def sections(self) -> tuple[str, ...]:
        """Return the configured `request_type`s; empty for all of them."""
        return self.reading.sections
