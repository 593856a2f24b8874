"""Turn every outcome of a command into an exit code, and report an error.

An error is one line on stderr. With `--json` it is also one object on stdout, and with
`--log-format json` the line is an object as well.

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
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import typer

from argos_sync.cli.failure import Failure
from argos_sync.cli.logs import LogFormat, current_handler, format_line, write_to_stderr
from argos_sync.cli.output import to_json
from argos_sync.cli.wording import fitted

UNEXPECTED_ERROR = 1
USAGE_ERROR = 2
INTERRUPTED = 130
"""The exit code that shells expect of a program ended by Ctrl-C."""
_STOPPED = {129, INTERRUPTED, 143}
"""The same for a terminal that was closed (SIGHUP), and for schedulers (SIGTERM)."""
_RESUME = "run it again to continue from the last committed chunk"


def run(app: Callable[[], object], arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code.

    The arguments say how to report a failure: they may be why it failed, so this function looks
    for `-v`, `--json` and `--log-format` itself. With `-v` it also prints where an error arose.
    """
    failure, frames = None, ""
    try:
        result = app()
    except (KeyboardInterrupt, typer.Abort) as error:
        # typer takes an EOFError for Ctrl-D at a prompt of its own, but no command has one.
        if isinstance(error.__cause__, EOFError):
            failure, frames = _describe(error.__cause__), _frames(error.__cause__)
        result = INTERRUPTED
    except typer.TyperException as error:
        failure = _usage_failure(error)
    except Exception as error:  # noqa: BLE001 the last chance before a traceback full of values
        failure, frames = _describe(error), _frames(error)
    # 130 is also typer's return value for a KeyboardInterrupt.
    if failure is None and isinstance(result, int) and result in _STOPPED:
        has_begun = current_handler().summary is not None
        remedy = _RESUME if has_begun else "nothing was changed"
        failure = Failure(result, "Interrupted", "interrupted", remedy)
    if failure is None:
        return result if isinstance(result, int) else 0
    _report(failure, arguments, frames)
    return failure.exit_status


def print_failure(failure: Failure, log_format: LogFormat) -> None:
    """Print a failure on stderr, after the log lines that a quiet command has kept."""
    current_handler().write_buffered()
    more = {"exit_status": failure.exit_status, "remedy": failure.remedy}
    if log_format == "json":
        _print_json_line(failure.message, **more)
    else:
        write_to_stderr(fitted(f"argos-sync: {failure}", sys.stderr))


def _report(failure: Failure, arguments: Sequence[str], frames: str) -> None:
    """Print a failure as the arguments ask for it; the JSON has the numbers of a run that began."""
    log_format = _log_format(arguments)
    print_failure(failure, log_format)
    if frames and {"-v", "--verbose"} & set(arguments):
        if log_format == "json":
            _print_json_line(f"raised at:\n{frames}")
        else:
            write_to_stderr(f"argos-sync: raised at:\n{frames}")
    if "--json" in arguments:
        summary = current_handler().summary
        with suppress(OSError):  # stdout itself may have failed
            typer.echo(to_json((summary.as_json() if summary else {}) | failure.as_json()))


def _log_format(arguments: Sequence[str]) -> LogFormat:
    """Return the format that the last `--log-format` asks for."""
    spaced = zip(("", *arguments), arguments, strict=False)
    values = [
        argument.removeprefix("--log-format=")
        for before, argument in spaced
        if before == "--log-format" or argument.startswith("--log-format=")
    ]
    return "json" if values[-1:] == ["json"] else "text"


def _print_json_line(message: str, **more: object) -> None:
    run_id = current_handler().run_id
    write_to_stderr(format_line("json", "ERROR", message, datetime.now(UTC), run_id, **more))


def _usage_failure(error: typer.TyperException) -> Failure:
    """Describe invalid options or arguments."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    # Our own messages name the option, so the words "Invalid value:" say nothing more.
    message = message.removeprefix("Invalid value: ")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "argos-sync"
    # An unexpected argument may be a person's address whose option was forgotten.
    message = re.sub(r"(?s)(unexpected extra argument\(s\)) .*", r"\1", message)
    # Of the same sentence, typer says "Did you mean" for commands and this for options.
    message = re.sub(r" \(Possible options: ([^)]*)\)", r". Did you mean \1?", message)
    message = " ".join(message.replace("Value error, ", "").split()).rstrip(".")
    return Failure(USAGE_ERROR, "UsageError", message, f"see {path} --help")


def _describe(error: Exception) -> Failure:
    """Describe an error; only by its class if it is of another package."""
    from argos_sync.api.errors import ArgosError

    if isinstance(error, OSError):
        from argos_sync.load.errors import unusable_path

        error = unusable_path(error) or error
    kind = type(error).__name__
    if isinstance(error, ArgosError):
        # Some errors add to their message, such as the number of attempts.
        message = str(error).removesuffix(f"; {error.remedy}")
        return Failure(error.exit_code, kind, message, error.remedy)
    # Messages of other errors quote values, so only their type is printed.
    remedy = "run again with -v and report what it prints"
    return Failure(UNEXPECTED_ERROR, kind, f"unexpected {kind}", remedy)


def _frames(error: Exception) -> str:
    """Return where an error arose, without its text."""
    return "".join(traceback.format_tb(error.__traceback__)).rstrip()
