"""`argos-sync suppressions`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from argos_sync.cli.common import Common
from argos_sync.cli.wording import counted


def suppressions(
    common: Common,
    action: Annotated[
        Literal["export", "import"],
        typer.Argument(help="Write the list to a file, or add the entries of a file."),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The list, as keyed hashes.")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The secret that the list was made with, if there is no privacy key; keep it apart"
            " from the list.",
        ),
    ] = None,
) -> None:
    """Export the suppression list, for restored backups and other datasets, or import it."""
    from argos_sync.commands.suppressions import export_suppressions, import_suppressions

    context = common.offline_context()
    if action == "import":
        imported = import_suppressions(context, file, key_file)
        common.show(
            {
                "run_id": imported.summary.run_id,
                "added": imported.added,
                "present": imported.present,
            },
            f"suppressions: {counted(imported.added, 'entry', 'entries')} added to the"
            f" suppression list, {imported.present:,} were on it",
        )
        return
    exported = export_suppressions(context, file, key_file)
    keys = [f"the privacy key {key}" for key in exported.keys_from_privacy_key]
    keys += [f"the warehouse's own key {key}" for key in exported.own_keys]
    made_with = f", made with {' and '.join(keys)}" if keys else ""
    missing = exported.own_keys and key_file is None
    note = (
        "\nnote: another warehouse needs that key too: export it with --key-file" if missing else ""
    )
    common.show(
        {
            "file": str(exported.file),
            "entries": exported.entries,
            "privacy_keys": exported.keys_from_privacy_key,
            "own_keys": exported.own_keys,
            "key_file": None if key_file is None else str(key_file),
        },
        f"{exported.file}: {counted(exported.entries, 'entry', 'entries')} of the suppression"
        f" list{made_with}{note}",
    )
