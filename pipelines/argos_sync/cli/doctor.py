"""`argos-sync doctor`."""

from argos_sync.cli.common import Common
from argos_sync.cli.failure import Failure

_REMEDY = "do what the failed checks say, and run doctor again"


def doctor(common: Common) -> None:
    """Check configuration, API, key, encryption, end_date and destination, one line each."""
    from argos_sync.commands.doctor import run_checks

    checks = run_checks(common.target, common.project)
    rows = [
        {"name": c.name, "passed": c.passed, "said": c.message, "exit_code": c.exit_code}
        for c in checks
    ]
    lines = [f"{'ok  ' if c.passed else 'FAIL'} {c.name}: {c.message}" for c in checks]
    failed = [
        Failure(c.exit_code, "CheckFailed", f"{c.name}: {c.message}", _REMEDY)
        for c in checks
        if not c.passed
    ]
    common.show({"checks": rows}, "\n".join(lines), failed[0] if failed else None)
