"""Decide how many submissions to request per page."""

from dataclasses import dataclass, field

PAGE_BYTES = 3 * 1024 * 1024
"""Bytes that a page should have at most. Each worker has a page in memory, encoded and decoded. A
thousand submissions usually have 2 MB."""

MAX_PAGE_BYTES = 3 * PAGE_BYTES
"""Bytes after which a page of several submissions is not read any further. Sizes are estimated from
earlier pages, so pages are often somewhat larger than they should be."""

_FORGETTING = 0.8
_FIRST_PATIENCE = 8
_MAX_PATIENCE = 128


@dataclass(slots=True)
class PageSize:
    """The number of submissions to request per page, for all walks of a client.

    A page has at most about `PAGE_BYTES`, judging by the largest submissions of recent pages.

    A page can be too heavy for the gateway in front of the API, whatever its number of submissions.
    A smaller page then takes its place, and the size grows again slowly. A size that turns out too
    heavy again and again is tried more and more rarely.

    Attributes:
        largest: The configured size, or the largest that the API accepts.
        current: The size of the next page.
    """

    largest: int
    current: int = field(init=False)
    _pages: int = 0
    _patience: int = _FIRST_PATIENCE
    _loaded_size: int = 0
    _submission_bytes: float = 0.0

    def __post_init__(self) -> None:
        """Start with the largest size."""
        self.current = self.largest

    @property
    def fitting(self) -> int:
        """Return how many submissions have `PAGE_BYTES`, at most the size of the next page."""
        if self._submission_bytes * self.current <= PAGE_BYTES:
            return self.current
        return max(1, int(PAGE_BYTES / self._submission_bytes))

    def record_bytes(self, count: int, size: int) -> None:
        """Record the bytes of a response with a number of submissions, which may be zero."""
        if count:
            average = size / count
            faded = _FORGETTING * self._submission_bytes + (1 - _FORGETTING) * average
            self._submission_bytes = max(average, faded)

    def refuse(self, count: int, size: int) -> int:
        """Record that a page of `count` had too many bytes, and return the size to try next.

        `size` may be that of the part that was read.
        """
        self.record_bytes(count, max(size, 2 * PAGE_BYTES))
        return max(1, min(self.fitting, count // 2))

    @property
    def is_lowered(self) -> bool:
        """Whether a page was too heavy and the size has not recovered since."""
        return self.current < self.largest

    def smaller(self, count: int) -> int:
        """Return the size to try after a page of `count` failed: the last that worked, or half."""
        half = max(1, count // 2)
        return self._loaded_size if half < self._loaded_size < count else half

    def accept(self, count: int) -> None:
        """Limit the size to one that the API accepts; it refused larger ones."""
        self.largest = min(self.largest, count)
        self.current = min(self.current, count)

    def record_page(self, count: int, *, is_heavy: bool) -> None:
        """Record a page that got through: in place of a heavy one, or at once.

        After some that got through at once, the size grows.
        """
        if is_heavy and count < self.current:
            self.current = count
            self._pages, self._patience = 0, min(_MAX_PATIENCE, 2 * self._patience)
        elif count >= self.current and self.is_lowered:
            self._loaded_size = count
            self._pages += 1
            if self._pages >= self._patience:
                self.current = min(self.largest, count + max(1, count // 4))
                self._pages = 0
