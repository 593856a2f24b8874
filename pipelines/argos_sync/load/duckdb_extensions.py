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


def installed_extensions(names: Iterable[str]) -> list[str]:
    """Return what to LOAD for those of the extensions that packages have, in order.

    DuckDB itself finds the others, or says that they are missing.
    """
    files = map(extension_file, names)
    return [quote_literal(str(file)) for file in files if file is not None]
