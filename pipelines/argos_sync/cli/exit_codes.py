"""Turn every outcome of a command into an exit code and, for an error, one line on stderr.

| code | outcome | where it is set |
| --- | --- | --- |
| 0 | done | |
| 1 | an unexpected error, or the destination refused rows | here; `load.errors.LoadError` |
| 2 | usage or configuration | here; `api.errors.ConfigurationError` |
| 3 | refused by the API | `api.errors` |
| 4 | the API failed after retries, sent nonsense, or has lost implausibly many | `api.errors` |
| 5 | the destination is locked, unreachable or full | `load.errors.DestinationError` |
| 6 | `reconcile --dry-run` found a difference | `commands.reconcile.DIFFERENCE` |
| 7 | `status --max-age`: stale | `cli.status` |
| 120 | the output could not be written | `process.OUTPUT_ERROR` |
| 129, 130, 143 | ended by SIGHUP, Ctrl-C, SIGTERM | `process.interrupt_exit_code` |

An error's class has its code in `exit_code`; `doctor` takes that of its first failed check. The
line never contains a person's values or a key: errors of other packages are reported by their
class.
"""

import re
import sys
import traceback
from collections.abc import Callable

import typer

UNEXPECTED_ERROR = 1
USAGE_ERROR = 2
INTERRUPTED = 130
"""The exit code that shells expect of a program ended by Ctrl-C."""
_STOPPED = {129, INTERRUPTED, 143}
"""The same for a terminal that was closed (SIGHUP), and for schedulers (SIGTERM)."""


def run(app: Callable[[], object], *, verbose: bool) -> int:
    """Run the command line and return the exit code; if `verbose`, print where an error arose."""
    try:
        result = app()
    except (KeyboardInterrupt, typer.Abort) as error:
        # typer takes an EOFError for Ctrl-D at a prompt of its own, but no command has one.
        if isinstance(error.__cause__, EOFError):
            return _report_error(error.__cause__, verbose=verbose)
        result = INTERRUPTED
    except typer.TyperException as error:
        _print_error(_usage_message(error))
        return USAGE_ERROR
    except Exception as error:  # noqa: BLE001 the last chance before a traceback full of values
        return _report_error(error, verbose=verbose)
    if result in _STOPPED:  # 130 is also typer's return value for a KeyboardInterrupt
        _print_error(
            "interrupted; run the command again, it continues from the last committed chunk"
        )
    return result if isinstance(result, int) else 0


def _usage_message(error: typer.TyperException) -> str:
    """Return one line about invalid options or arguments."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    # Our own messages name the option, so the words "Invalid value:" say nothing more.
    message = message.removeprefix("Invalid value: ")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "argos-sync"
    # An unexpected argument may be a person's address whose option was forgotten.
    message = re.sub(r"(?s)(unexpected extra argument\(s\)) .*", r"\1", message)
    return f"{' '.join(message.split()).rstrip('.')}; see {path} --help"


def _report_error(error: Exception, *, verbose: bool) -> int:
    """Print an error and return its exit code."""
    from argos_sync.api.errors import ArgosError

    if isinstance(error, OSError):
        from argos_sync.load.errors import unusable_path

        error = unusable_path(error) or error
    if isinstance(error, ArgosError):
        _print_error(str(error))
    else:
        # Messages of other errors quote values, so only their type is printed.
        _print_error(
            f"unexpected {type(error).__name__}; run again with -v and report what it prints"
        )
    if verbose:
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        _print_error(f"raised at:\n{frames}")
    return error.exit_code if isinstance(error, ArgosError) else UNEXPECTED_ERROR


def _print_error(text: str) -> None:
    typer.echo(f"argos-sync: {text}", file=sys.stderr)
