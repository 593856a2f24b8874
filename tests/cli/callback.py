"""An emulator that calls a function of the test before it answers."""

import threading
from collections.abc import Callable
from itertools import count
from typing import Any

from whole_lists import Emulator


class CallbackEmulator(Emulator):
    """Call `before` with the number of each request, from 1; answer when it has returned."""

    def __init__(self, *arguments: Any, before: Callable[[int], object], **options: Any) -> None:
        """Start counting requests."""
        super().__init__(*arguments, **options)
        self._before = before
        self._numbers = count(1)
        self._lock = threading.Lock()

    def answer(self, query: str, body: bytes, api_key: str) -> Any:
        """Call the function, then answer."""
        with self._lock:
            self._before(next(self._numbers))
        return super().answer(query, body, api_key)
