"""`doctor`: check the configuration, the API and the destination."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from argos_sync.api.client import ArgosClient
from argos_sync.api.errors import ConfigurationError
from argos_sync.api.query import Query
from argos_sync.api.retry import RetryPolicy
from argos_sync.api.webhook import validate_webhook_url
from argos_sync.commands.check import Check, run_check
from argos_sync.commands.destination_checks import check_writing
from argos_sync.config import Settings, load_settings, webhook_url
from argos_sync.fetch.clock import utc_now
from argos_sync.fetch.completeness import READ_MODES, Completeness
from argos_sync.fetch.job import client_options
from argos_sync.fetch.list_probe import PROBE_PAGE, probe_completeness
from argos_sync.fetch.project import project_changes, project_fingerprint
from argos_sync.fetch.protection import Protection
from argos_sync.fetch.windows import probe_end_date
from argos_sync.load.atomic_file import private_folder
from argos_sync.load.destinations.duckdb import duckdb_file
from argos_sync.load.destinations.ducklake import describe_lake
from argos_sync.load.errors import DestinationError
from argos_sync.load.pipeline import Warehouse, open_warehouse
from argos_sync.load.sql import execute
from argos_sync.load.target import Target, check_writable, locate
from argos_sync.run.opening import warehouse_protection
from argos_sync.run.project import recognize_project

_TWO_ATTEMPTS = RetryPolicy(attempts=2)
"""Few, because somebody waits at a terminal."""


def run_checks(target: Target, project: str | None = None) -> list[Check]:
    """Run the checks, and return their results in order; see `config.load_settings` for projects.

    The API is not checked without a valid configuration, nor after its first failed check.
    """
    settings: list[Settings] = []
    answers: list[Completeness] = []

    def configuration() -> str:
        settings.append(load_settings(project=project))
        client_options(settings[0]).connect()
        Protection.configured(settings[0])
        if url := webhook_url():
            validate_webhook_url(url)
        return f"complete; API at {settings[0].base_url}"

    checks = [run_check("configuration", configuration)]
    if checks[0].passed:
        checks += _api_checks(settings[0], answers.append)

    projects: list[Check] = []
    writing: list[Check] = []

    def destination() -> str:
        with _without_files(target) as (place, new_file), open_warehouse(place) as warehouse:
            execute(warehouse.client, "SELECT 1")
            if all(check.passed for check in checks[:2]):
                check = run_check("project", partial(_describe_project, settings[0], warehouse))
                projects.append(check)
            if checks[0].passed:
                protection = Protection.configured(settings[0])
                warehouse_protection(protection, warehouse.client, warehouse.state)
            for answer in answers if all(check.passed for check in projects) else ():
                _remember(answer, settings[0], warehouse)
            writing.extend(check_writing(warehouse))
            dataset = warehouse.dataset
            detail = new_file or duckdb_file(warehouse.client) or describe_lake(warehouse.client)
        location = f"{target.destination} {detail}" if detail else target.destination
        if new_file:
            return f"{location} does not exist yet, and can be made; dataset {dataset}"
        return f"{location}, dataset {dataset}, can be opened for writing"

    return [*checks, run_check("destination", destination), *writing, *projects]


@contextmanager
def _without_files(target: Target) -> Iterator[tuple[Target, Path | None]]:
    """Yield a place to check a destination in that leaves no file behind.

    dlt's working directory is a temporary one, where runs have theirs. A DuckDB file that does not
    exist is made in a temporary folder beside its place; its own path is yielded too.

    Raises:
        ConfigurationError: The destination is refused, or tried and not allowed.
        DestinationError: One of these folders cannot be written to.
    """
    check_writable(target)
    location = locate(target)
    with ExitStack() as folders:
        working = folders.enter_context(_working_folder(location.working.parent))
        place = replace(target, pipelines_dir=str(working))
        file = duckdb_file(location.client)
        if file is None or file.exists():
            yield place, None
        else:
            folder = folders.enter_context(private_folder(file.parent, file))
            yield replace(place, file=str(folder / file.name)), file


def _working_folder(parent: Path) -> TemporaryDirectory[str]:
    """Return a temporary folder where the working directories of runs are, or will be.

    Raises:
        DestinationError: It cannot be written to.
    """
    existing = next(one for one in (parent, *parent.parents) if one.exists())
    try:
        return TemporaryDirectory(prefix=".argos-doctor-", dir=existing)
    except OSError as error:
        raise DestinationError(
            f"dlt's working folders cannot be made in {existing} ({type(error).__name__})",
            "give this user the right to write there, or name another folder with --pipelines-dir",
        ) from None


def _describe_project(settings: Settings, warehouse: Warehouse) -> str:
    """Return whether the API key is that of the warehouse's project; the API answers.

    Raises:
        AnotherProject: It is the key of another one.
    """
    if not project_changes(warehouse.state, settings.api_key):
        return f"{_describe_key(warehouse)}; the configured one matches"
    options = client_options(settings, PROBE_PAGE, _TWO_ATTEMPTS)
    changes, requests = recognize_project(warehouse, settings, options)
    if not changes:
        return f"{_describe_key(warehouse)}; the API returns no submission to compare"
    if not requests.requests:
        return "there are no submissions yet; the first run remembers the API key"
    known = _describe_key(warehouse)
    return f"{known}; the configured one is of the same project, and the next run remembers it"


def _describe_key(warehouse: Warehouse) -> str:
    """Return which API key a warehouse remembers."""
    known = project_fingerprint(warehouse.state)
    return f"API key with fingerprint {known}" if known else "no API key remembered"


def _remember(answer: Completeness, settings: Settings, warehouse: Warehouse) -> None:
    """Save how whole submissions are read, if that has changed since the last probe."""
    known = Completeness.from_state(warehouse.state, settings.sections)
    if known and known.mode != answer.mode:
        changes = answer.to_state(settings.sections, utc_now().date())
        warehouse.load({}, lambda state: state.update(changes))


def _api_checks(settings: Settings, on_answer: Callable[[Completeness], None]) -> list[Check]:
    section = "others" if settings.sections else None

    async def reach_api(client: ArgosClient) -> str:
        page = await client.fetch(Query(request_type=section))
        return f"the API accepts the key and answers{'' if page.items else ', with no submission'}"

    async def end_date(client: ArgosClient) -> str:
        answer = await probe_end_date(client, section)
        return f"the server reads end_date as {answer or 'unknown: there is no submission yet'}"

    async def completeness(client: ArgosClient) -> str:
        answer = await probe_completeness(client, settings.sections)
        if answer is None:
            return "unknown: no submission is decided yet; each is fetched by its id until then"
        on_answer(answer)
        setting = settings.completeness
        if setting != "auto" and READ_MODES.index(setting) < READ_MODES.index(answer.mode):
            raise ConfigurationError(
                f"sources.argos.completeness is {setting}, but {answer}", "set it to auto"
            )
        return str(answer)

    async def call(step: Callable[[ArgosClient], Awaitable[str]], page_size: int = 1) -> str:
        options = client_options(settings, page_size, _TWO_ATTEMPTS)
        async with options.connect() as client:
            return await step(client)

    answer = run_check("API and key", lambda: asyncio.run(call(reach_api)))
    if not answer.passed:
        return [answer]
    # Otherwise the answer could not have been read.
    agreement = f"{settings.encryption}, both sides agree"
    encryption = Check("encryption", passed=True, message=agreement)
    return [
        answer,
        encryption,
        run_check("end_date", lambda: asyncio.run(call(end_date))),
        run_check("completeness", lambda: asyncio.run(call(completeness, PROBE_PAGE))),
    ]
