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
from argos_sync.cli.publish import publish
from argos_sync.cli.reconcile import reconcile
from argos_sync.cli.refresh import refresh
from argos_sync.cli.report import report
from argos_sync.cli.reveal import reveal
from argos_sync.cli.sql import sql
from argos_sync.cli.status import status
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
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sync ARGOS Identity ID Check submissions into a warehouse.",
)

for function in (
    demo,
    sync,
    backfill,
    refresh,
    reconcile,
    status,
    doctor,
    forget,
    reveal,
    publish,
    sql,
    report,
    emulator,
):
    app.command(function.__name__)(command(function))


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version or context.invoked_subcommand is None:
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
