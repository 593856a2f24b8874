"""Measure the seconds of commands that have little to do, as a person at a terminal waits for them.

    python tests/bench/startup.py [--command PATH] [--repeat N]

Every run is a process of its own. `status`, `doctor` and `sync` find a warehouse of 600 submissions
in which nothing is new. With two commands, for example of two environments, they take turns, so
that their ratio holds on a busy machine as well.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from processes import BenchmarkError, emulator, installed_command, without_settings
from ways import API_KEY

_COMMANDS = {
    "--help": ("--help",),
    "sync --help": ("sync", "--help"),
    "status": ("status",),
    "doctor": ("doctor",),
    "sync, nothing new": ("sync",),
    "demo": ("demo",),
}
_WAREHOUSE = ("status", "doctor", "sync, nothing new")


class _Place:
    """A folder with a warehouse, and the command that is measured on it."""

    def __init__(self, command: Path, folder: Path, base_url: str) -> None:
        """Load the warehouse."""
        self.command = command
        self._folder = folder
        self._settings = {
            "SOURCES__ARGOS__API_KEY": API_KEY,
            "SOURCES__ARGOS__BASE_URL": base_url,
            "SOURCES__ARGOS__START_DATE": "2025-01-01",
        }
        folder.mkdir()
        for _ in range(2):
            self.seconds(("sync",), on_warehouse=True)

    def seconds(self, arguments: Sequence[str], *, on_warehouse: bool) -> float:
        """Run the command once, and return its seconds.

        Raises:
            BenchmarkError: It failed.
        """
        options = ("--pipelines-dir", str(self._folder / "working")) if on_warehouse else ()
        started = time.perf_counter()
        done = subprocess.run(
            [str(self.command), *arguments, *options],
            cwd=self._folder,
            env=without_settings() | self._settings,
            capture_output=True,
            text=True,
            check=False,
        )
        elapsed = time.perf_counter() - started
        if done.returncode:
            raise BenchmarkError(
                f"{arguments[0]} ended with exit code {done.returncode}:\n{done.stderr[-4000:]}"
            )
        return elapsed


def main() -> None:
    """Measure, and print a table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--command", type=Path, action="append", metavar="PATH")
    parser.add_argument("--repeat", type=int, default=5, metavar="TIMES", help="take the median")
    options = parser.parse_args()
    commands = options.command or [installed_command()]
    with tempfile.TemporaryDirectory(prefix="argos-sync-bench-") as name, emulator(600) as base_url:
        places = [
            _Place(command.absolute(), Path(name, str(number)), base_url)
            for number, command in enumerate(commands)
        ]
        for line, arguments in _COMMANDS.items():
            measured: list[list[float]] = [[] for _ in places]
            for _ in range(options.repeat):
                for place, values in zip(places, measured, strict=True):
                    values.append(place.seconds(arguments, on_warehouse=line in _WAREHOUSE))
            seconds = [median(values) for values in measured]
            figures = "".join(f"{value:>9.2f} s" for value in seconds)
            ratio = f"{seconds[0] / seconds[1]:>9.2f}" if len(seconds) == 2 else ""
            print(f"{line:<20}{figures}{ratio}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
