"""Define the options, the run context and the output that all commands share."""

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argos_sync.cli.failure import Failure
from argos_sync.cli.logs import LogFormat, current_handler, set_up_logging
from argos_sync.cli.output import to_json, writing_output
from argos_sync.cli.progress import ProgressDisplay, show_progress
from argos_sync.cli.wording import terminal_width
from argos_sync.process import interrupt_exit_code

if TYPE_CHECKING:
    from argos_sync.load.target import Target
    from argos_sync.run.context import Context

FirstDay = Annotated[
    str, typer.Option("--from", metavar="DAY", help="First day, UTC, such as 2026-01-05 or 90d.")
]
LastDay = Annotated[
    str,
    typer.Option("--to", metavar="DAY", help="Last day, UTC, included, such as yesterday."),
]

UNITS = {"m": "minute", "h": "hour", "d": "day"}
"""What the letter after a duration stands for."""

LONGEST_LINE = 100
"""Characters of a line where no terminal limits it."""

_WIDE_ENOUGH = 16
"""Characters of a column in which longer values take several lines that can still be read."""

_PANEL = "Common options"
_option = partial(typer.Option, rich_help_panel=_PANEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Options about output, which every command takes.

    Raises:
        ValueError: `--quiet` and `--verbose` contradict each other.
    """

    as_json: Annotated[
        bool, _option("--json", help="Print one JSON object on stdout, logs on stderr.")
    ] = False
    quiet: Annotated[
        bool, _option("-q", "--quiet", help="Print nothing unless the command fails.")
    ] = False
    verbose: Annotated[
        bool, _option("-v", "--verbose", help="Print more log lines, and where an error arose.")
    ] = False
    log_format: Annotated[
        LogFormat, _option(help="Form of the log lines: text, or a JSON object each.")
    ] = "text"

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.quiet and self.verbose:
            raise ValueError("give --quiet or --verbose, but not both")

    def show(self, summary: Mapping[str, Any], text: str, failure: Failure | None = None) -> None:
        """Print the result, as JSON if `--json` was given, as text otherwise.

        Raises:
            typer.Exit: There is a `failure`, which is part of the JSON.
        """
        if failure:
            current_handler().write_buffered()
        if failure or not self.quiet:
            entries = {**summary, **(failure.as_json() if failure else {})}
            # The exit code of a failure says more than that its text was lost.
            with suppress(OSError) if failure else writing_output():
                typer.echo(to_json(entries) if self.as_json else text)
        if failure:
            raise typer.Exit(failure.exit_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common(Output):
    """Options of every command that uses a warehouse."""

    destination: Annotated[
        str, _option(metavar="NAME", help="dlt destination, such as duckdb or postgres.")
    ] = "duckdb"
    dataset: Annotated[
        str | None,
        _option(
            metavar="NAME", help="Dataset (schema) of the tables; default: argos, or argos_PROJECT."
        ),
    ] = None
    project: Annotated[
        str | None,
        _option(
            metavar="NAME",
            help="ARGOS project, when there are several; its key and settings are in section"
            " sources.argos.NAME, and it has its own dataset.",
        ),
    ] = None
    pipelines_dir: Annotated[
        Path | None,
        _option(
            metavar="DIR",
            file_okay=False,
            writable=True,
            help="Working folder; default: dlt's own.",
        ),
    ] = None
    allow_untried: Annotated[
        bool,
        _option(
            "--allow-untried",
            help="Write to a destination on which the tests do not run; docs/destinations.md says"
            " what does not hold there.",
        ),
    ] = False

    @property
    def target(self) -> "Target":
        """Return the warehouse that the options name.

        Raises:
            ConfigurationError: The configuration has an unknown key, or cannot be read.
        """
        from argos_sync.config import dataset_of, refuse_unknown_keys
        from argos_sync.load.target import Target

        refuse_unknown_keys()
        pipelines_dir = str(self.pipelines_dir) if self.pipelines_dir else None
        dataset = dataset_of(self.project) if self.dataset is None else self.dataset
        return Target(self.destination, dataset, pipelines_dir, allow_untried=self.allow_untried)

    @contextmanager
    def context(
        self,
        overrides: Mapping[str, Any] | None = None,
        display: ProgressDisplay | None = None,
    ) -> "Iterator[Context]":
        """Yield the context of a loading command, and show progress while the block runs.

        `overrides` are settings that override the configuration; a `display` is one that shows
        progress already.

        Raises:
            ConfigurationError: A required key is missing, or a value is invalid.
        """
        from argos_sync.fetch.process.spawn import FetchProcess

        # Start it first, so that its imports run at the same time as ours.
        shown = nullcontext(display) if display else self.show_progress()
        with FetchProcess() as fetch_process, shown as progress:
            from argos_sync.config import load_settings
            from argos_sync.fetch.process.parent import fetch_in_process
            from argos_sync.run.context import Context

            target = self.target
            settings = load_settings(overrides, project=self.project)
            chunks = partial(fetch_in_process, fetch_process)
            yield Context(settings, target, progress, chunks=chunks)

    def show_progress(self) -> AbstractContextManager[ProgressDisplay]:
        """Return a context that shows progress; live lines are neither silence nor JSON."""
        return show_progress(hidden=self.quiet or self.log_format == "json")

    def offline_context(self) -> "Context":
        """Return the context of a command that does not use the API and needs no API key."""
        from argos_sync.config import load_settings
        from argos_sync.run.context import Context

        target = self.target
        settings = load_settings(api=False, project=self.project)
        return Context(settings, target, ProgressDisplay())


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn the fields of a command's dataclasses, such as `Common`, into options; set up logging.

    A `ValueError` of a dataclass is a usage error.
    """
    own = inspect.signature(function, eval_str=True).parameters
    classes: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in own.items()
        if is_dataclass(parameter.annotation)
    }
    groups = {name: inspect.signature(classes[name]).parameters for name in classes}

    @functools.wraps(function)
    def run(**options: Any) -> None:
        _require_utf8(options, parameters)
        try:
            for name, group in groups.items():
                options[name] = classes[name](**{field: options.pop(field) for field in group})
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        output: Output = next(one for one in options.values() if isinstance(one, Output))
        set_up_logging(output.log_format, verbose=output.verbose, quiet=output.quiet)
        _require_working_directory()
        try:
            function(**options)
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(interrupt_exit_code(interrupt)) from None

    parameters = [parameter for name, parameter in own.items() if name not in groups]
    for group in groups.values():
        parameters += group.values()
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _require_working_directory() -> None:
    """Refuse to run in a folder that was removed; settings and the default file are in it.

    Raises:
        ConfigurationError: It cannot be used.
    """
    try:
        folder, problem = Path.cwd(), "has a name that is not UTF-8"
    except OSError:
        folder, problem = Path(os.environ.get("PWD", "")), "does not exist any more"
    else:
        if _is_utf8(folder):
            return
    from argos_sync.api.errors import ConfigurationError

    raise ConfigurationError(
        f"the working directory {printable(str(folder))} {problem}",
        "change into another one, and run again",
    )


def _require_utf8(options: Mapping[str, object], parameters: Sequence[inspect.Parameter]) -> None:
    """Refuse options and arguments that are not valid UTF-8.

    Raises:
        typer.BadParameter: One of them is not.
    """
    for parameter in parameters:
        if not _is_utf8(options.get(parameter.name)):
            raise typer.BadParameter(f"the value of {_label(parameter)} is not UTF-8")


def _label(parameter: inspect.Parameter) -> str:
    """Return what the command line calls the parameter of a command."""
    (info, *_) = parameter.annotation.__metadata__
    if isinstance(info, typer.models.ArgumentInfo):
        return parameter.name.upper()
    # typer has the first name of an option as its default.
    names = [str(name) for name in (info.default, *(info.param_decls or ()))]
    given = (name for name in names if name.startswith("--"))
    return next(given, f"--{parameter.name.replace('_', '-')}")


def _is_utf8(value: object) -> bool:
    """Whether a value of the command line or the system is valid UTF-8; dlt needs that."""
    if isinstance(value, list):
        return all(map(_is_utf8, value))
    # Python reads other bytes as lone surrogates.
    return not re.search(r"[\ud800-\udfff]", str(value)) if isinstance(value, str | Path) else True


def parse_age(option: str, text: str) -> timedelta:
    """Return the duration that an option gives, such as `26h`; raise a usage error otherwise."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)([mhd])", text)
    if match is None:
        raise typer.BadParameter(f"{option} takes a number with m, h or d, such as 26h")
    return timedelta(**{f"{UNITS[match[2]]}s": float(match[1])})


def printable(text: str) -> str:
    """Return a text without control sequences, which an applicant may have typed."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def table(names: Sequence[str], rows: Iterable[Sequence[str]], width: int = LONGEST_LINE) -> str:
    """Return rows as a text table under the names of their columns; numbers are aligned right.

    It is at most `width` wide, and on a terminal at most as wide as that: longer values take
    several lines.
    """
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    shown = [[printable(value) for value in row] for row in rows]
    columns = list(zip(*shown, strict=True)) if shown else [() for _ in names]
    width = min(width, terminal_width() or width)
    least = _least_widths(names, shown)
    fits = _total_width(least) <= width
    text_table = Table(
        *(
            Column(
                Text(name),
                justify="right" if _are_numbers(values) else "left",
                overflow="fold",
                min_width=least_width if fits else None,
            )
            for name, values, least_width in zip(names, columns, least, strict=True)
        )
    )
    for row in shown:
        text_table.add_row(*map(Text, row))
    console = Console(width=width)
    with console.capture() as captured:
        console.print(text_table)
    return captured.get()


def table_width(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how wide a table of printable values is at least, with values on several lines."""
    return _total_width(_least_widths(names, rows))


def _total_width(widths: Sequence[int]) -> int:
    return sum(width + len(" │ ") for width in widths) + 1


def _least_widths(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column: that of its longest value, or `_WIDE_ENOUGH`."""
    from rich.cells import cell_len

    columns = zip(names, *rows, strict=True)
    return [min(max(map(cell_len, column)), _WIDE_ENOUGH) for column in columns]


def _are_numbers(values: Iterable[str]) -> bool:
    """Tell whether a column has numbers, and otherwise only empty values."""
    return any(values) and all(re.fullmatch(r"-?[\d,]+(\.\d+)?|", value) for value in values)
