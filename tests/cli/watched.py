"""A stand-in API that a test is told of before it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import Any

from argos_sync.emulator import Emulator


class Watched(Emulator):
    """Calls `before` with the number of each request, from 1, and answers once that returns."""

    def __init__(self, *arguments: Any, before: Callable[[int], object], **options: Any) -> None:
        """Count from the beginning."""
        super().__init__(*arguments, **options)
        self._before = before
        self._numbers = count(1)
        self._one_at_a_time = threading.Lock()

    def answer(self, query: str, body: bytes, api_key: str) -> Any:
        """Tell first."""
        with self._one_at_a_time:
            self._before(next(self._numbers))
        return super().answer(query, body, api_key)
