"""`argos-sync doctor`."""

from __future__ import annotations

import typer

from argos_sync.cli.common import Common


def doctor(common: Common) -> None:
    """Check configuration, API, key, encryption, end_date and destination, one line each."""
    from argos_sync.commands.doctor import run_checks

    checks = run_checks(common.target, common.project)
    marks = {True: "ok  ", False: "FAIL"}
    common.show(
        {"checks": [check.row() for check in checks]},
        "\n".join(f"{marks[check.passed]} {check.name}: {check.message}" for check in checks),
    )
    failed = [check.exit_code for check in checks if not check.passed]
    if failed:
        raise typer.Exit(failed[0])
