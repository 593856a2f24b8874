"""`argos-sync reveal`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from argos_sync.cli.common import Common, printable

if TYPE_CHECKING:
    from argos_sync.commands.reveal import RevealedValue


def reveal(
    common: Common,
    submission_id: Annotated[str, typer.Option(metavar="ID", help="The submission to decrypt.")],
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


def _line(revealed: "RevealedValue") -> str:
    """Return one value as `table[position].column: value`."""
    positions = "".join(f"[{position}]" for position in revealed.positions)
    return f"{revealed.table}{positions}.{revealed.column}: {printable(str(revealed.value))}"
