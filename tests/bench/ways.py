"""The ways to load every submission into DuckDB that the benchmark compares.

Each loads the same pages from the same server into a fresh file, with a table `argos.submissions`
that has a column `submission_id`. The others do less: argos-sync merges into 13 related tables and
can resume, dlt's `rest_api` appends to the tables that it infers, and `read_json` creates one
nested table.

To run one without measuring it:

    python tests/bench/ways.py WAY --base-url http://127.0.0.1:PORT/v3 --folder EMPTY_FOLDER

Every way prints a JSON object with `started_at`, the time when its imports were done.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    import httpx

PAGE_SIZE = 1000
FIRST_DAY, LAST_DAY = "2025-01-01", "2025-12-31"
API_KEY = "benchmark"

_PARAMS: dict[str, str | int] = {"start_date": FIRST_DAY, "end_date": LAST_DAY, "count": PAGE_SIZE}


def argos_sync(base_url: str, file: Path) -> None:
    """Run the installed command; it replaces this process."""
    os.environ |= {
        "SOURCES__ARGOS__API_KEY": API_KEY,
        "SOURCES__ARGOS__BASE_URL": base_url,
        "SOURCES__ARGOS__PAGE_SIZE": str(PAGE_SIZE),
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        "DESTINATION__DUCKDB__CREDENTIALS": f"duckdb:///{file}",
    }
    command = str(Path(sys.executable).with_name("argos-sync"))
    options = ["--from", FIRST_DAY, "--to", LAST_DAY, "--pipelines-dir", str(file.parent), "--json"]
    os.execv(command, [command, "backfill", *options])  # noqa: S606 the project's own command


def rest_api(base_url: str, file: Path) -> None:
    """Let dlt's `rest_api` source load with dlt's defaults."""
    _rest_api(base_url, file, loader_file_format=None)


def rest_api_parquet(base_url: str, file: Path) -> None:
    """Let dlt's `rest_api` source load with the fastest file format it has for DuckDB."""
    _rest_api(base_url, file, loader_file_format="parquet")


def read_json(base_url: str, file: Path) -> None:
    """Save the pages and let DuckDB read them, which is about the least possible work."""
    import duckdb  # noqa: PLC0415 each process imports only what its way needs
    import httpx  # noqa: PLC0415

    _print_start()
    with httpx.Client(base_url=base_url, headers={"x-api-key": API_KEY}) as client:
        for number, page in enumerate(pages(client)):
            (file.parent / f"page-{number:06}.json").write_bytes(page)
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE SCHEMA argos")
        connection.execute(
            "CREATE TABLE argos.submissions AS SELECT unnest(Items, max_depth := 2)"
            " FROM read_json(?, maximum_sample_files = -1)",
            [str(file.parent / "page-*.json")],
        )


WAYS: dict[str, Callable[[str, Path], None]] = {
    "argos-sync": argos_sync,
    "rest_api": rest_api,
    "rest_api-parquet": rest_api_parquet,
    "read_json": read_json,
}


def _rest_api(base_url: str, file: Path, *, loader_file_format: Literal["parquet"] | None) -> None:
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt  # noqa: PLC0415 each process imports only what its way needs
    from dlt.sources.helpers.requests import Request, Response  # noqa: PLC0415
    from dlt.sources.helpers.rest_client.paginators import BasePaginator  # noqa: PLC0415
    from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

    class NextPageKey(BasePaginator):
        """Send `nextpageKey` back; dlt's own paginators only support cursors of one value."""

        def update_state(self, response: Response, data: object = None) -> None:
            key = response.json().get("nextpageKey")
            self._has_next_page = key is not None
            self._params = _key_params(key) if key else {}

        def update_request(self, request: Request) -> None:
            request.params = {**cast("dict[str, Any]", request.params), **self._params}

    _print_start()
    pipeline = dlt.pipeline(
        "rest_api",
        destination=dlt.destinations.duckdb(str(file)),
        dataset_name="argos",
        pipelines_dir=str(file.parent),
    )
    config: Any = {
        "client": {
            "base_url": base_url,
            "headers": {"x-api-key": API_KEY},
            "paginator": NextPageKey(),
        },
        "resources": [
            {
                "name": "submissions",
                "endpoint": {"path": "submission", "params": _PARAMS, "data_selector": "Items"},
            }
        ],
    }
    pipeline.run(rest_api_source(config), loader_file_format=loader_file_format)  # type: ignore[arg-type] # None is the default


def pages(client: "httpx.Client") -> Iterator[bytes]:
    """Yield all pages, undecoded."""
    params = dict(_PARAMS)
    while params:
        page = client.get("/submission", params=params).raise_for_status().content
        yield page
        # Decode only the end: DuckDB decodes the rest, and decoding it twice would be unfair.
        _, separator, end = page.rpartition(b'"nextpageKey":')
        params = _PARAMS | _key_params(json.loads(end[:-1])) if separator else {}


def _key_params(key: dict[str, str]) -> dict[str, str | int]:
    return {"nextpage_id": key["id"], "nextpage_date": key["created_at"]}


def _print_start() -> None:
    print(json.dumps({"started_at": datetime.now(UTC).isoformat()}), flush=True)  # noqa: T201


def main() -> None:
    """Run one way."""
    parser = argparse.ArgumentParser(description="Run one way of loading, without measuring it.")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--base-url", required=True, help="of a running `argos-sync emulator`")
    parser.add_argument("--folder", required=True, type=Path, help="an empty folder")
    options = parser.parse_args()
    WAYS[options.way](options.base_url, options.folder.absolute() / "loaded.duckdb")


if __name__ == "__main__":
    main()
