"""Random values, drawn fast: 50,000 submissions take millions of draws."""

import math
import random
from base64 import b64encode
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice(random.Random):
    """Draw random values; the same seed gives the same values."""

    def chance(self, share: float) -> bool:
        """Return True in a `share` of the calls, from 0 to 1."""
        return self.random() < share

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1."""
        return int(self.random() * limit)

    def pick(self, words: Sequence[T]) -> T:
        """Return one of `words`."""
        return words[int(self.random() * len(words))]

    def score(self, low: float, high: float, digits: int = 2) -> float:
        """Return a score from `low` to `high`."""
        return round(low + self.random() * (high - low), digits)

    def long_tail(self, median: float, spread: float) -> float:
        """Return a positive number: half are below `median`, and a few far above it."""
        return median * math.exp(self.gauss(0, spread))

    def key(self, length: int) -> str:
        """Return a random text of letters and digits; `length` is a multiple of 4."""
        return b64encode(self.randbytes(length * 3 // 4), b"Ka").decode()

    def digits(self, length: int) -> str:
        """Return a random text of digits."""
        return f"{int(self.random() * 10**length):0{length}}"
