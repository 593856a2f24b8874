"""Combinations that a test is run over: a few of them, or all that there are.

Slow tests of a DuckDB file and of PostgreSQL run with one of them, too (`conftest`).

`COMBINATIONS=all` runs all, as CI does once a week; so does `HYPOTHESIS_PROFILE=thorough`.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from itertools import product
from typing import TypeVar

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
ALL = THOROUGH or os.environ.get("COMBINATIONS") == "all"

_T = TypeVar("_T")


def pairs(first: Iterable[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Return each of the first with one of the second in turn; all pairs if `ALL`."""
    if ALL:
        return list(product(first, second))
    return [(one, second[number % len(second)]) for number, one in enumerate(first)]


def some(values: Collection[_T], usual: Collection[_T]) -> list[_T]:
    """Return the usual ones of some values; all of them if `ALL`.

    Raises:
        ValueError: A usual one is not among the values.
    """
    if unknown := [one for one in usual if one not in values]:
        raise ValueError(f"not among the values: {unknown}")
    return list(values if ALL else usual)
