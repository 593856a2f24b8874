"""`argos-sync forget`: show what would be erased, ask, and erase it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common
from argos_sync.cli.identifiers import GivenIdentifier, collect_identifiers, join_places
from argos_sync.cli.wording import counted

if TYPE_CHECKING:
    from argos_sync.commands.forget import ErasurePreview


def forget(
    common: Common,
    *,
    submission_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Repeat it for several submissions.")
    ] = None,
    userid: Annotated[
        str | None, typer.Option(metavar="ID", help="All submissions of this user, later ones too.")
    ] = None,
    email: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="All submissions with this address, later ones too."),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="People to forget, one a line: `userid: …`, `email: …` or a submission id; - reads"
            " stdin.",
        ),
    ] = None,
    listed: Annotated[
        bool,
        typer.Option(
            "--listed",
            help="Everyone on the suppression list, of whom a restored backup has rows again.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be erased, by table.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Erase without asking; required in scripts.")
    ] = False,
    allow_unknown: Annotated[
        bool,
        typer.Option(
            "--allow-unknown",
            help="Put people on the suppression list who are not in the warehouse.",
        ),
    ] = False,
    as_in: Annotated[
        str | None,
        typer.Option(metavar="DATASET", help="Take over the suppression list of another dataset."),
    ] = None,
    discard_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Remove what the suppression list has of a key that is lost; the message that it"
            " is missing names it.",
        ),
    ] = None,
) -> None:
    """Erase a person from every table, and keep later runs from loading them again."""
    given = collect_identifiers(submission_id or (), userid, email, from_file)
    asks = sys.stdin.isatty() and sys.stderr.isatty()
    if (given or listed) and not (yes or dry_run or asks):
        raise typer.BadParameter(
            "an erasure cannot be undone: pass --yes, or --dry-run to see what it would erase"
        )
    if listed and as_in is not None:
        raise typer.BadParameter("--listed takes the list as it is: run --as-in alone first")
    from argos_sync.api.errors import ConfigurationError
    from argos_sync.commands.forget import forget as erase
    from argos_sync.commands.forget import listed_people, preview_erasure

    context = common.offline_context()
    identifiers = [(one.kind, one.value) for one in given]
    identifiers += listed_people(context, discard_key) if listed else []
    if listed and not identifiers:
        common.show(
            {"run_id": None, "erased": {}, "listed": 0},
            "forget: the warehouse has no rows of anybody on the suppression list",
        )
        return
    if identifiers or dry_run or as_in is None:
        preview = preview_erasure(context, identifiers, discard_key)
        if preview.unknown and not allow_unknown:
            raise _unknown(given, preview)
        if dry_run:
            _show_preview(common, preview)
            return
        if not yes and not _is_confirmed(preview):
            raise ConfigurationError("nothing was erased", "answer y, or pass --yes, to erase")
    result = erase(context, identifiers, as_in, discard_key)
    run_id, added = result.summary.run_id, result.suppressions_added
    common.show(
        {"run_id": run_id, "erased": result.erased, "listed": added},
        f"{_counts(result.erased)}forget: {counted(sum(result.erased.values()), 'row')} erased,"
        f" {counted(added, 'entry', 'entries')} added to the suppression list;"
        f" the erasure is recorded in sync_erasures, run {run_id}",
    )


def _unknown(given: Sequence[GivenIdentifier], preview: "ErasurePreview") -> Exception:
    """Return the error about people that neither the warehouse nor the suppression list knows."""
    from argos_sync.api.errors import ConfigurationError

    places = [given[number].place for number in preview.unknown if number < len(given)]
    return ConfigurationError(
        f"nobody was found for {join_places(places or ['--listed'])}; nothing was erased",
        "check the spelling, or pass --allow-unknown to keep these people out all the same",
    )


def _show_preview(common: Common, preview: "ErasurePreview") -> None:
    common.show(
        {"dry_run": True, "rows": preview.rows, "unknown": len(preview.unknown)},
        f"{_counts(preview.rows)}forget: {counted(sum(preview.rows.values()), 'row')} would be"
        " erased; this was a dry run, and nothing has changed",
    )


def _is_confirmed(preview: "ErasurePreview") -> bool:
    """Show the counts on the terminal and ask; only `y` and `yes` confirm."""
    total = sum(preview.rows.values())
    typer.echo(_counts(preview.rows), err=True, nl=False)
    question = f"Erase {counted(total, 'row')} for good, and keep these people out? [y/N] "
    typer.echo(question, err=True, nl=False)
    try:
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    except KeyboardInterrupt:
        typer.echo(err=True)  # the terminal shows ^C after the question
        raise


def _counts(rows: Mapping[str, int]) -> str:
    """Return a line for each table with rows."""
    return "".join(f"{name:<28}{count:>10,}\n" for name, count in rows.items() if count)
