"""Define the command line `argos-sync`: parse options, call a command, print, set the exit code.

In: arguments of the command line. Out: text or one JSON object on stdout, log lines and errors on
stderr, an exit code. What a command needs is imported when it is called.

- `app` collects the commands, `common` has what they share, `exit_codes` turns errors into codes.
- `runs` has `sync`, `backfill`, `refresh` and `reconcile`; `monitoring` has `status`, `doctor` and
  `report`; `privacy` has `forget`, `reveal` and `publish`; `demo` and `emulator` are alone.
"""

__all__ = ["app", "common", "demo", "emulator", "exit_codes", "monitoring", "privacy", "runs"]
