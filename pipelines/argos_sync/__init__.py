"""ARGOS Identity ID Check submissions in a warehouse: correct, private, fast.

Public: `argos_source`, a dlt source for pipelines of your own. It is imported when it is asked
for, so that the command line need not wait for dlt.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argos_sync.source import argos_source

__all__ = ["__version__", "argos_source"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import `argos_source` at its first use (PEP 562)."""
    if name == "argos_source":
        from argos_sync.source import argos_source  # noqa: PLC0415 its import takes a second

        return argos_source
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
