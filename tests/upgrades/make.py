"""Write the warehouse that later versions are tested to upgrade, as this version makes it.

Run it once for each release, before the version is tagged: `python tests/upgrades/make.py`. It
writes warehouse-VERSION.gz, a DuckDB file, and source-VERSION.json.gz, the submissions that the
source has by then. Files of earlier versions stay as they are.
"""

import gzip
import json
import os
import sys
import tempfile
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from argos_sync.commands.forget import forget  # noqa: E402
from argos_sync.commands.reconcile import reconcile  # noqa: E402
from argos_sync.commands.sync import sync  # noqa: E402
from argos_sync.emulator import generate  # noqa: E402
from support import NOW, at, context_for, duckdb_warehouse  # noqa: E402
from whole_lists import Emulator  # noqa: E402

FORGOTTEN, VANISHED, CHANGED = 3, 5, 7
"""Positions of submissions that have a story."""

NIGHT = NOW + timedelta(days=1)


def main() -> None:
    """Write both files."""
    os.environ["SOURCES__ARGOS__COMPLETENESS"] = "list"
    day = NOW.date()
    source = generate(40, seed=17, start=day - timedelta(days=60), end=day - timedelta(days=1))
    source[8] |= {"fieldOfTheFuture": {"a": 1}}
    odd = {"submission_id": "without-a-date", "data": {"name": "Nobody"}}
    with tempfile.TemporaryDirectory() as folder, Emulator([*source, odd]) as api:
        warehouse = duckdb_warehouse(Path(folder))
        context = context_for(api.base_url, warehouse.target)
        sync(context)
        api.store.delete(source[VANISHED]["submission_id"])
        api.store.update(source[CHANGED]["submission_id"], {"kyc": {"result": "rejected"}})
        reconcile(at(context, NIGHT), day - timedelta(days=60), day, deep=True)
        sync(at(context, NIGHT))
        forget(at(context, NIGHT), [("userid", str(source[FORGOTTEN]["userid"]))])
        name = version("argos-sync")
        file = Path(str(warehouse.target.file)).read_bytes()
        (FOLDER / f"warehouse-{name}.gz").write_bytes(gzip.compress(file, mtime=0))
        text = json.dumps(api.store.all(), ensure_ascii=False)
        (FOLDER / f"source-{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
