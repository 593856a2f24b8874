"""Define the command line `argos-sync`: parse options, call a command, print, set the exit code.

In: arguments of the command line. Out: text or one JSON object on stdout, log lines and errors on
stderr, an exit code. What a command needs is imported when it is called.

- `app` collects the commands, each in a file of its own, and `help` groups them; `exit_codes` turns
  errors into codes, and reports each as a `failure`.
- `common` has what commands share: options, context, output; `logs` writes log lines; `run_output`
  and `progress` show runs.
"""

__all__ = ["app"]
