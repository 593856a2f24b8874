"""The commands about one person: forget and reveal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.commands.reveal import RevealedValue
    from argos_sync.run.context import Context


def forget(
    common: Common,
    submission_id: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="May be given several times.")
    ] = None,
    userid: Annotated[
        str | None, typer.Option(metavar="ID", help="All submissions with it, later ones too.")
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="All submissions with it, later ones too.")
    ] = None,
    as_in: Annotated[
        str | None,
        typer.Option(metavar="DATASET", help="Take over who was forgotten in another dataset."),
    ] = None,
) -> None:
    """Erase a person from every table, and keep later runs from bringing them back."""
    from argos_sync.commands.forget import forget as erase

    identifiers = [("submission_id", one) for one in submission_id or ()]
    identifiers += [("userid", userid)] if userid is not None else []
    identifiers += [("email", email)] if email is not None else []
    result = erase(_context(common), identifiers, as_in)
    counts = [f"{table:<28}{rows:>10,}\n" for table, rows in result.erased.items() if rows]
    common.show(
        {"run_id": result.report.run_id, "erased": result.erased, "listed": result.listed},
        f"{''.join(counts)}forget: {sum(result.erased.values()):,} rows erased,"
        f" {result.listed:,} new entries in the list of who must not come back;"
        f" the proof is in sync_erasures, run {result.report.run_id}",
    )


def reveal(
    common: Common,
    submission_id: Annotated[str, typer.Option(metavar="ID")],
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.COLUMN", help="May be given several times; all if left out."),
    ] = None,
) -> None:
    """Decrypt one submission on the terminal, and put on record who asked."""
    from argos_sync.commands.reveal import reveal as decrypt

    wanted = [one.strip() for given in columns or () for one in given.split(",")]
    found = decrypt(_context(common), submission_id, wanted)
    common.show(
        {
            "values": [
                {
                    "table": one.table,
                    "positions": one.positions,
                    "column": one.column,
                    "value": one.value,
                }
                for one in found
            ]
        },
        "\n".join(map(_line, found)) or "reveal: nothing is encrypted of this submission",
    )


def _context(common: Common) -> Context:
    from argos_sync.config import load_settings
    from argos_sync.run.context import Context

    return Context(load_settings(api=False, project=common.project), common.target)


def _line(one: RevealedValue) -> str:
    positions = "".join(f"[{position}]" for position in one.positions)
    # What an applicant typed must not tell the terminal what to do.
    value = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(one.value))
    return f"{one.table}{positions}.{one.column}: {value}"
