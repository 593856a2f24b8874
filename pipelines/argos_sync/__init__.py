"""Sync ARGOS Identity ID Check submissions into a warehouse.

Public: `argos_source`, a dlt source for your own pipelines, and `__version__`. The source is
imported on first use, so that the command line does not have to wait for dlt.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argos_sync.source import argos_source

__all__ = ["__version__", "argos_source"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `argos_source` on first use (PEP 562)."""
    if name == "argos_source":
        from argos_sync.source import argos_source  # noqa: PLC0415 its import takes a second

        return argos_source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
