"""Combinations that a test is run over: a few of them, or all that there are.

`HYPOTHESIS_PROFILE=thorough` runs all.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from itertools import product
from typing import TypeVar

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

_T = TypeVar("_T")


def pairs(first: Iterable[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Return each of the first with one of the second in turn; all pairs if thorough."""
    if THOROUGH:
        return list(product(first, second))
    return [(one, second[number % len(second)]) for number, one in enumerate(first)]


def some(values: Collection[_T], usual: Collection[_T]) -> list[_T]:
    """Return the usual ones of some values; all of them if thorough.

    Raises:
        ValueError: A usual one is not among the values.
    """
    if unknown := [one for one in usual if one not in values]:
        raise ValueError(f"not among the values: {unknown}")
    return list(values if THOROUGH else usual)
