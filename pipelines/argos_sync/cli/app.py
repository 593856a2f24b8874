"""Collect the commands of `argos-sync`; each imports what it needs when it is called."""

import sys
from typing import Annotated, NoReturn

import typer

from argos_sync import __version__
from argos_sync.cli import exit_codes
from argos_sync.cli.backfill import backfill
from argos_sync.cli.common import command
from argos_sync.cli.demo import demo
from argos_sync.cli.doctor import doctor
from argos_sync.cli.emulator import emulator
from argos_sync.cli.forget import forget
from argos_sync.cli.help import Group, add_commands
from argos_sync.cli.output import writing_output
from argos_sync.cli.publish import publish
from argos_sync.cli.reconcile import reconcile
from argos_sync.cli.refresh import refresh
from argos_sync.cli.report import report
from argos_sync.cli.reveal import reveal
from argos_sync.cli.sql import sql
from argos_sync.cli.status import status
from argos_sync.cli.suppressions import suppressions
from argos_sync.cli.sync import sync
from argos_sync.process import (
    collect_garbage_rarely,
    exit_now,
    limit_memory,
    open_standard_streams,
    restrict_permissions,
    stop_on_signals,
)

app = typer.Typer(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Sync ARGOS Identity ID Check submissions into a warehouse.",
    epilog="Begin with:\nargos-sync demo\nargos-sync doctor\nargos-sync COMMAND --help",
)

for panel, functions in {
    "Load": (sync, backfill, refresh, reconcile),
    "Inspect": (status, doctor, sql),
    "Privacy": (forget, suppressions, reveal),
    "Share": (publish, report),
    "Try": (demo, emulator),
}.items():
    add_commands(app, panel, tuple(map(command, functions)))


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("-V", "--version", help="Print the version.")] = False,
) -> None:
    if version or context.invoked_subcommand is None:
        with writing_output():
            typer.echo(__version__ if version else context.get_help())
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line; the entry point of the console script."""
    open_standard_streams()
    restrict_permissions()
    limit_memory()
    stop_on_signals()
    arguments = sys.argv[1:]
    with collect_garbage_rarely():
        exit_now(exit_codes.run(lambda: app(arguments, standalone_mode=False), arguments))
