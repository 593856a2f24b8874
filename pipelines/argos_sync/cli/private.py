"""What the process keeps to itself: its files, and its memory when it dies."""

from __future__ import annotations

import os
import resource
from functools import cache


@cache
def restrict_permissions() -> int:
    """Make whatever this process and its children create from now on their owner's alone.

    Files come out as 0600 and folders as 0700, also those that dlt and DuckDB create: working
    folder and warehouse are full of personal data. No core is dumped, for it would hold keys. Only
    the first call does anything.

    Returns:
        The umask of the caller, which is for files that a user asks for (see `output_file_mode`).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return os.umask(0o077)


def output_file_mode() -> int:
    """Return the mode of a file that a user asks for to give it to others, as its umask has it.

    Such a file is created private and gets this mode by `chmod` when it is complete.
    """
    return 0o666 & ~restrict_permissions()
