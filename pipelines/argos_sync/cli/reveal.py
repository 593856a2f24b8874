"""`argos-sync reveal`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common

if TYPE_CHECKING:
    from argos_sync.commands.reveal import RevealedValue


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
    found = decrypt(common.offline_context(), submission_id, wanted)
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


def _line(one: RevealedValue) -> str:
    positions = "".join(f"[{position}]" for position in one.positions)
    # What an applicant typed must not tell the terminal what to do.
    value = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(one.value))
    return f"{one.table}{positions}.{one.column}: {value}"
