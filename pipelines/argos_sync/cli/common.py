"""What every command shares: its common options, its errors, its output."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from argos_sync.load.target import Target
    from argos_sync.run.context import Context

log = logging.getLogger("argos_sync")


@dataclass(frozen=True, slots=True)
class Common:
    """The options every command takes."""

    destination: Annotated[
        str, typer.Option(metavar="NAME", help="dlt destination, such as duckdb or postgres.")
    ] = "duckdb"
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Dataset (schema) of the tables; argos, or argos_PROJECT, when left out.",
        ),
    ] = None
    project: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="One of several ARGOS projects; its key and settings stand in"
            " sources.argos.NAME, and it has a dataset of its own.",
        ),
    ] = None
    pipelines_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            writable=True,
            help="Working folder; dlt's own when left out.",
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout, logs on stderr.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="More log lines, and where an error arose.")
    ] = False

    @property
    def target(self) -> Target:
        """Where to load to."""
        from argos_sync.config import dataset_of
        from argos_sync.load.target import Target

        working = str(self.pipelines_dir) if self.pipelines_dir else None
        dataset = dataset_of(self.project) if self.dataset is None else self.dataset
        return Target(self.destination, dataset, working)

    @contextmanager
    def context(self, overrides: Mapping[str, Any] | None = None) -> Iterator[Context]:
        """Give what a loading command needs, and show progress for as long as the block runs."""
        from argos_sync.fetch.process.spawn import FetchProcess

        with FetchProcess() as child:  # first, so that its imports run beside ours
            from argos_sync.cli.progress import show_progress
            from argos_sync.config import load_settings
            from argos_sync.fetch.process.parent import fetch_in_process
            from argos_sync.run.context import Context

            settings = load_settings(overrides, project=self.project)
            with show_progress() as progress:
                chunks = functools.partial(fetch_in_process, child)
                yield Context(settings, self.target, progress, chunks=chunks)

    def offline_context(self) -> Context:
        """Return what a command needs that does not use the API, and so needs no API key."""
        from argos_sync.config import load_settings
        from argos_sync.run.context import Context

        return Context(load_settings(api=False, project=self.project), self.target)

    def show(self, summary: Mapping[str, Any], text: str) -> None:
        """Print the result: the summary as JSON, or the text for a person."""
        typer.echo(json.dumps(summary, default=str, ensure_ascii=False) if self.as_json else text)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options and the one way of ending.

    Args:
        function: Takes `Common` first, then its own options.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    shared = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(Common, eval_str=True).parameters.values()
    ]
    names = [parameter.name for parameter in shared]

    @functools.wraps(function)
    def run(**options: Any) -> None:
        common = Common(**{name: options.pop(name) for name in names})
        logging.basicConfig(
            stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING, force=True
        )
        log.setLevel(logging.DEBUG if common.verbose else logging.INFO)
        function(common, **options)

    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    run.__signature__ = inspect.Signature([*keyword_only, *shared])  # type: ignore[attr-defined] # read by typer
    run.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
    return run


def parse_day(option: str, text: str) -> date:
    """Return the day a command-line option names.

    Raises:
        typer.BadParameter: The text is not a day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes a day as YYYY-MM-DD") from None


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their names, drawn for a person."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*names)
    for row in rows:
        drawn.add_row(*row)
    console = Console(width=100)
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()
