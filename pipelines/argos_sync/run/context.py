"""The dependencies of every command: settings, target, progress, clock and source of chunks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from argos_sync.api.budget import DailyBudget
from argos_sync.api.retry import RetryPolicy
from argos_sync.config import Settings
from argos_sync.fetch.chunks import ChunkSource
from argos_sync.fetch.clock import Clock, utc_now
from argos_sync.fetch.job import CHUNK_SUBMISSIONS, ClientOptions, client_options
from argos_sync.fetch.thread import fetch_in_thread
from argos_sync.load.target import Target
from argos_sync.run.summary import NoProgress, ProgressReporter


@dataclass(frozen=True, slots=True)
class Context:
    """The dependencies of every command.

    `chunk_size` is the number of submissions in a full chunk; `chunks` runs a fetch job in a thread
    or a process, and yields its chunks.
    """

    settings: Settings
    target: Target
    progress: ProgressReporter = field(default_factory=NoProgress)
    clock: Clock = utc_now
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    chunk_size: int = CHUNK_SUBMISSIONS
    chunks: ChunkSource = fetch_in_thread

    def client_options(
        self, page_size: int | None = None, used: Mapping[date, int] | None = None
    ) -> ClientOptions:
        """Return the options of an API client, with the configured page size or another.

        `used` has the requests of the day's other clients, by UTC day.

        Raises:
            ConfigurationError: The encryption settings are invalid.
        """
        budget = DailyBudget(self.settings.max_requests_per_day, used or {}, self.clock)
        return client_options(self.settings, page_size, self.retry, budget)
