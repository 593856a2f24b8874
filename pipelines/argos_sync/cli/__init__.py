"""Define the command line `argos-sync`: parse options, call a command, print, set the exit code.

In: arguments of the command line. Out: text or one JSON object on stdout, log lines and errors on
stderr, an exit code. Each command has a module; its imports are made when it is called.

`app` collects the commands, `common` has their common options, `exit_codes` turns errors into exit
codes, `progress` shows progress, `run_output` prints a run's summary.
"""

__all__ = [
    "app",
    "backfill",
    "common",
    "demo",
    "doctor",
    "emulator",
    "exit_codes",
    "forget",
    "progress",
    "publish",
    "reconcile",
    "refresh",
    "report",
    "reveal",
    "run_output",
    "status",
    "sync",
]
