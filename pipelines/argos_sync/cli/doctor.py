"""`argos-sync doctor`."""

import typer

from argos_sync.cli.common import Common


def doctor(common: Common) -> None:
    """Check configuration, API, key, encryption, end_date and destination, one line each."""
    from argos_sync.commands.doctor import run_checks

    checks = run_checks(common.target, common.project)
    rows = [
        {"name": c.name, "passed": c.passed, "said": c.message, "exit_code": c.exit_code}
        for c in checks
    ]
    lines = [f"{'ok  ' if c.passed else 'FAIL'} {c.name}: {c.message}" for c in checks]
    common.show({"checks": rows}, "\n".join(lines))
    if exit_code := next((c.exit_code for c in checks if not c.passed), 0):
        raise typer.Exit(exit_code)
