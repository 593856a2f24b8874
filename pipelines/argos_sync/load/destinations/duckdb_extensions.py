"""Find DuckDB's extensions in the Python packages that have them, so that no network is needed.

DuckDB downloads a missing extension from its own servers. The extra `ducklake` installs packages
`duckdb_extension_<name>`, each with one file for one version of DuckDB.
"""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import duckdb

from argos_sync.load.dialects import quote_literal


def extension_file(name: str) -> Path | None:
    """Return the file of an extension for the installed DuckDB; None if no package has it."""
    spec = find_spec(f"duckdb_extension_{name}")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        file = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.is_file():
            return file
    return None


def loadable_extensions(names: Iterable[str]) -> list[str]:
    """Return what to LOAD for extensions, in order: a package's file, or the name.

    By its name DuckDB finds an extension that somebody has installed, and downloads none.
    """
    files = {name: extension_file(name) for name in names}
    return [quote_literal(str(file)) if file else name for name, file in files.items()]
