"""Take the screenshot of the report for the README: `make picture`.

It syncs half a year of synthetic submissions and captures the upper part of the page.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argos_sync.commands.sync import sync
from argos_sync.emulator import generate
from argos_sync.report import make_report, scope_of
from browser import browser
from support import context_for, duckdb_warehouse
from whole_lists import Emulator

CLIP = {"x": 0, "y": 0, "width": 1180, "height": 1376, "scale": 1}


def main(picture: Path) -> None:
    """Write the screenshot as WebP."""
    now = datetime.now(UTC)
    submissions = generate(6_000, start=now.date() - timedelta(days=180), end=now.date())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = duckdb_warehouse(folder)
        with Emulator(submissions) as api:
            sync(context_for(api.base_url, warehouse.target, now))
        report = make_report(warehouse.target, folder / "report.html", scope_of(now))
        with browser(folder / "profile") as tab:
            tab.resize(CLIP["width"])
            tab.open(report.file)
            picture.write_bytes(tab.screenshot(clip=CLIP, format="webp", quality=80))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
