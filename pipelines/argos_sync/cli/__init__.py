"""Define the command line `argos-sync`: parse options, call a command, print, set the exit code.

In: arguments of the command line. Out: text or one JSON object on stdout, log lines and errors on
stderr, an exit code. What a command needs is imported when it is called.

- `app` collects the commands, `common` has their common options.
- `runs` has `sync`, `backfill`, `refresh` and `reconcile`, `monitoring` has `status` and `doctor`,
  `privacy` has `forget`, `reveal` and `publish`; `demo`, `report` and `emulator` have modules.
- `exit_codes` turns errors into exit codes, `progress` shows progress.
"""

__all__ = [
    "app",
    "common",
    "demo",
    "emulator",
    "exit_codes",
    "monitoring",
    "privacy",
    "progress",
    "report",
    "runs",
]
