"""Show help: commands in groups, examples, and options without types that say nothing."""

import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_SQL_COMMENT = re.compile(r"--[^\s=]*\s")
"""An argument that looks like an option up to its first space, which no option has."""

EXAMPLES = {
    "sync": ("argos-sync sync", "argos-sync sync --destination postgres --quiet"),
    "backfill": (
        "argos-sync backfill --from 2025-01 --to yesterday",
        "argos-sync backfill --from 2025-Q1 --to 2025-Q1 --force",
    ),
    "refresh": ("argos-sync refresh --submission-id a1b2c3",),
    "reconcile": (
        "argos-sync reconcile --from 2025-Q1 --to 2025-Q1 --dry-run",
        "argos-sync reconcile --from 90d --to yesterday --deep",
    ),
    "status": ("argos-sync status --tables --runs 5", "argos-sync status --max-age 26h --quiet"),
    "doctor": ("argos-sync doctor", "argos-sync doctor --destination postgres"),
    "sql": (
        'argos-sync sql "SELECT COUNT(*) FROM submissions"',
        "argos-sync sql --file query.sql --csv",
        'argos-sync sql "FROM outcomes LIMIT 5" --duckdb copy.duckdb',
    ),
    "forget": (
        "argos-sync forget --userid u-1 --dry-run",
        "argos-sync forget --submission-id a1b2c3 --yes",
    ),
    "suppressions": (
        "argos-sync suppressions export list.json",
        "argos-sync suppressions import list.json",
    ),
    "reveal": ("argos-sync reveal --submission-id a1b2c3 --columns applicants.email",),
    "publish": (
        "argos-sync publish --to copy.duckdb",
        "argos-sync publish --format parquet --to folder --pseudonyms",
        "argos-sync publish --format delta --to s3://bucket/argos",
    ),
    "report": (
        "argos-sync report --out report.html",
        "argos-sync report --out report.html --from 2026-01 --to 2026-01",
    ),
    "demo": ("argos-sync demo", "argos-sync demo --count 5000"),
    "emulator": ("argos-sync emulator --port 8080 --count 10000 --seed 7",),
}
"""Examples by command, shown below its options."""


class _Command(TyperCommand):
    """A command whose flags are shown without a type: they take no value."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override] # a base class
        """Return the options and arguments, the option for help included."""
        return _without_types(super().get_params(ctx))

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments; a query that begins with a comment is not an option."""
        if self.name == "sql":
            args = [f" {one}" if _SQL_COMMENT.match(one) else one for one in args]
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """All commands; its own flags are shown without a type, too."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override] # a base class
        """Return the options, the option for help included."""
        return _without_types(super().get_params(ctx))


def add_commands(app: typer.Typer, panel: str, functions: tuple[Callable[..., None], ...]) -> None:
    """Add commands to a group of the help, with their examples."""
    for function in functions:
        name = function.__name__
        lines = "\n".join(["Examples:", *EXAMPLES.get(name, ())])
        epilog = lines if name in EXAMPLES else None
        app.command(name, cls=_Command, rich_help_panel=panel, epilog=epilog)(function)


def _without_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
