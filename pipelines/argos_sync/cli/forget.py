"""`argos-sync forget`."""

from typing import Annotated

import typer

from argos_sync.cli.common import Common


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
    from argos_sync.commands.forget import forget as erase

    identifiers = [("submission_id", id_) for id_ in submission_id or ()]
    identifiers += [("userid", userid)] if userid is not None else []
    identifiers += [("email", email)] if email is not None else []
    result = erase(common.offline_context(), identifiers, as_in, discard_key)
    run_id, added = result.summary.run_id, result.suppressions_added
    counts = [f"{name:<28}{rows:>10,}\n" for name, rows in result.erased.items() if rows]
    common.show(
        {"run_id": run_id, "erased": result.erased, "listed": added},
        f"{''.join(counts)}forget: {sum(result.erased.values()):,} rows erased,"
        f" {added:,} entries added to the suppression list;"
        f" the erasure is recorded in sync_erasures, run {run_id}",
    )
