"""Decide how many submissions to request per page."""

from dataclasses import dataclass, field

_FIRST_PATIENCE = 8
_MAX_PATIENCE = 128


@dataclass(slots=True)
class PageSize:
    """The number of submissions to request per page, for all walks of a client.

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

    def __post_init__(self) -> None:
        """Start with the largest size."""
        self.current = self.largest

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
