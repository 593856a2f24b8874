"""`argos-sync forget`, `reveal` and `publish`: erase, decrypt or leave out personal data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common, table

if TYPE_CHECKING:
    from argos_sync.commands.reveal import RevealedValue


def forget(
    common: Common,
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
    as_in: Annotated[
        str | None,
        typer.Option(metavar="DATASET", help="Take over the suppression list of another dataset."),
    ] = None,
) -> None:
    """Erase a person from every table, and keep later runs from loading them again."""
    from argos_sync.commands.forget import forget as erase

    identifiers = [("submission_id", id_) for id_ in submission_id or ()]
    identifiers += [("userid", userid)] if userid is not None else []
    identifiers += [("email", email)] if email is not None else []
    result = erase(common.offline_context(), identifiers, as_in)
    run_id, added = result.summary.run_id, result.suppressions_added
    counts = [f"{name:<28}{rows:>10,}\n" for name, rows in result.erased.items() if rows]
    common.show(
        {"run_id": run_id, "erased": result.erased, "listed": added},
        f"{''.join(counts)}forget: {sum(result.erased.values()):,} rows erased,"
        f" {added:,} entries added to the suppression list;"
        f" the erasure is recorded in sync_erasures, run {run_id}",
    )


def reveal(
    common: Common,
    submission_id: Annotated[str, typer.Option(metavar="ID")],
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.COLUMN", help="Repeat it for several; default: all encrypted."),
    ] = None,
) -> None:
    """Decrypt one submission on the terminal, and record who asked for it."""
    from argos_sync.commands.reveal import reveal as decrypt

    places = [place.strip() for option in columns or () for place in option.split(",")]
    values = decrypt(common.offline_context(), submission_id, places)
    text = "\n".join(map(_line, values)) or "reveal: this submission has no encrypted values"
    common.show({"values": [asdict(value) for value in values]}, text)


def _line(revealed: RevealedValue) -> str:
    """Return one value as `table[position].column: value`."""
    positions = "".join(f"[{position}]" for position in revealed.positions)
    # Text that an applicant typed must not reach the terminal as a control sequence.
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(revealed.value))
    return f"{revealed.table}{positions}.{revealed.column}: {text}"


def publish(
    common: Common,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="DuckDB file to create or to replace.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave out columns of class quasi as well.")
    ] = False,
) -> None:
    """Copy the warehouse for analysts, without the columns that identify a person."""
    from argos_sync.commands.publish import publish as copy
    from argos_sync.process import output_file_mode

    published = copy(common.target, to, strict=strict, mode=output_file_mode())
    summary = {
        "file": str(published.file),
        "strict": strict,
        "tables": published.rows,
        "views": published.views,
        "columns_left_out": published.columns_left_out,
    }
    rows = table(["table", "rows"], [[name, f"{n:,}"] for name, n in published.rows.items()])
    views = len(published.views)
    common.show(
        summary,
        f"{rows}{published.file}: {published.columns_left_out} columns left out; {views} views",
    )
