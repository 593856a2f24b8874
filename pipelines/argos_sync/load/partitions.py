"""Partitions: ranges of days that pipelines of their own load, beside others.

dlt keeps state per pipeline name. A partition has a pipeline and a working directory to itself, so
any number of partitions may be loaded at once, from any number of machines. That is where the
destination can lock the days of each.
"""

from argos_sync.fetch.windows import DateRange

PIPELINE = "argos_sync"
"""Pipeline of all runs that load no partition, and prefix of the partitions' pipeline names."""


def partition_name(days: DateRange) -> str | None:
    """Return the name of the partition for these days, UTC; None for an unbounded range."""
    if days.first is None or days.last is None:
        return None
    # Not by `strftime`, which writes the first centuries with fewer digits.
    return f"{days.first}_{days.last}".replace("-", "")


def pipeline_name(partition: str | None) -> str:
    """Return the name of a partition's pipeline; None returns the pipeline of all other runs."""
    return f"{PIPELINE}_{partition}" if partition else PIPELINE
