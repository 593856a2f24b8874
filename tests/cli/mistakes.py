"""The mistakes of a beginner, and the one line that each gets; `docs/mistakes.md` is made of them.

To write the page again: `.venv/bin/python tests/cli/mistakes.py > docs/mistakes.md`.
"""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

TODAY = "TODAY"
"""What stands for the day of the test in a line."""
_SHOWN_TODAY = "2026-03-01"

KEY = "SOURCES__ARGOS__API_KEY"
CONFIGURED = {KEY: "any-key", "SOURCES__ARGOS__BASE_URL": "http://127.0.0.1:1/v3"}
"""What a command needs before it can make another mistake."""
_POSTGRES = "DESTINATION__POSTGRES__CREDENTIALS"

INTRODUCTION = """# Mistakes

A mistake gets one line on standard error and exit code 2. The line says what is wrong and
what to do, and contains no key and no personal value. Nothing was fetched, written or erased.
"""


@dataclass(frozen=True)
class Mistake:
    """A command line, what is configured, and the line that the mistake gets.

    Attributes:
        command: Arguments as typed in a shell, without `argos-sync`.
        line: The message, without `argos-sync: ` before it.
        settings: Environment variables, besides `CONFIGURED`.
        files: Files by path, with their text.
        unset: A variable of `CONFIGURED` that is not set.
        has_warehouse: Whether there is a loaded warehouse.
    """

    command: str
    line: str
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    unset: str = ""
    has_warehouse: bool = False

    def shown(self) -> str:
        """Return the mistake as a terminal shows it."""
        lines = [f"$ cat {path}\n{text.rstrip()}" for path, text in self.files.items()]
        lines += [f"$ export {name}={value}" for name, value in self.settings.items()]
        line = self.line.replace(TODAY, _SHOWN_TODAY)
        return "\n".join([*lines, f"$ argos-sync {self.command}", f"argos-sync: {line}"])


_DAYS = "2026-01-05, today, yesterday, 90d (90 days ago), 2026-01 or 2026-Q1"
_LISTS_ALL = "docs/configuration.md lists all"

MISTAKES = {
    "Days": [
        Mistake(
            "backfill --from 2026-02-30 --to 2026-03",
            f"--from '2026-02-30' is not a day; give {_DAYS}; see argos-sync backfill --help",
        ),
        Mistake(
            "backfill --from 05.01.2026 --to today",
            f"--from '05.01.2026' is not a day; give {_DAYS}; see argos-sync backfill --help",
        ),
        Mistake(
            "reconcile --from 2026-01 --to 2026-Q5",
            f"--to '2026-Q5' is not a day; give {_DAYS}; see argos-sync reconcile --help",
        ),
        Mistake(
            "backfill --from 2999-01-01 --to 2999-01-31",
            f"--from 2999-01-01 is in the future: today is {TODAY} in UTC;"
            " see argos-sync backfill --help",
        ),
        Mistake(
            "report --out kyc.html --from 2999-01",
            f"--from 2999-01 is in the future: today is {TODAY} in UTC;"
            " see argos-sync report --help",
        ),
        Mistake(
            "backfill --from 2026-01",
            "Missing option '--to'; see argos-sync backfill --help",
        ),
        Mistake(
            "backfill --from 2026-03 --to 2026-01",
            "the range ends on 2026-01-31, before it begins on 2026-03-01; swap --from and --to",
        ),
        Mistake(
            "emulator --port 8080 --start-date monday",
            f"--start-date 'monday' is not a day; give {_DAYS}; see argos-sync emulator --help",
        ),
    ],
    "Keys and settings": [
        Mistake(
            "sync",
            f"no value for sources.argos.api_key; set {KEY}, or api_key under [sources.argos] in"
            " .dlt/secrets.toml",
            unset=KEY,
        ),
        Mistake(
            "sync",
            "the environment variable SOURCES__ARGOS__APIKEY is not a setting; the nearest is"
            f" {KEY}; {_LISTS_ALL}",
            settings={"SOURCES__ARGOS__APIKEY": "…"},
            unset=KEY,
        ),
        Mistake(
            "sync",
            "the environment variable SOURCES_ARGOS_API_KEY is not a setting; the nearest is"
            f" {KEY}; {_LISTS_ALL}",
            settings={"SOURCES_ARGOS_API_KEY": "…"},
            unset=KEY,
        ),
        Mistake(
            "sync",
            "the environment variable SOURCES__ARGOS__page_size is not a setting; the nearest is"
            f" SOURCES__ARGOS__PAGE_SIZE; {_LISTS_ALL}",
            settings={"SOURCES__ARGOS__page_size": "500"},
        ),
        Mistake(
            "status",
            "the environment variable SOURCES__ARGOS__PRIVACY__COLUMN is not a setting; the nearest"
            f" is SOURCES__ARGOS__PRIVACY__COLUMNS; {_LISTS_ALL}",
            settings={"SOURCES__ARGOS__PRIVACY__COLUMN": '\'{"applicants.email": "drop"}\''},
        ),
        Mistake(
            "sync",
            "sources.argos.privcy.direct (.dlt/config.toml, line 5) is not a setting; the nearest"
            f" is sources.argos.privacy.direct; {_LISTS_ALL}",
            files={
                ".dlt/config.toml": "[sources.argos]\npage_size = 500\n\n"
                '[sources.argos.privcy]\ndirect = "hash"\n'
            },
        ),
        Mistake(
            "status",
            ".dlt/config.toml is not TOML: line 2, column 17; put texts into quotes, as in"
            ' api_key = "…", and close every quote and bracket',
            files={".dlt/config.toml": "[sources.argos]\nrequest_style = json\n"},
        ),
        Mistake(
            "sync",
            "sources.argos.page_size has a value of the wrong type; compare .dlt/config.toml,"
            " .dlt/secrets.toml and SOURCES__ARGOS__... with docs/configuration.md",
            settings={"SOURCES__ARGOS__PAGE_SIZE": "many"},
        ),
        Mistake(
            "sync",
            "sources.argos.encryption has a value that is not valid; use one of off, ecb, cbc, gcm",
            settings={"SOURCES__ARGOS__ENCRYPTION": "aes"},
        ),
        Mistake(
            "sync --project japan",
            "no value for sources.argos.japan.api_key; set SOURCES__ARGOS__JAPAN__API_KEY, or"
            " api_key under [sources.argos.japan] in .dlt/secrets.toml",
        ),
    ],
    "Destinations": [
        Mistake(
            "status --destination postgress",
            "the destination is not one that dlt knows; use a name like duckdb or postgres",
        ),
        Mistake(
            "status --destination postgres",
            f"the destination's configuration lacks password; set {_POSTGRES}__PASSWORD, or"
            " password under [destination.postgres.credentials] in .dlt/secrets.toml;"
            " docs/destinations.md has an example",
            settings={_POSTGRES: "postgresql://loader@db.example.com/kyc"},
        ),
        Mistake(
            "status --destination postgres",
            "the destination's credentials are not in the form of an address; write them as in"
            " docs/destinations.md, such as postgresql://USER:PASSWORD@HOST/NAME",
            settings={_POSTGRES: "db.example.com"},
        ),
    ],
    "People": [
        Mistake(
            "forget --userid kim-1203",
            "an erasure cannot be undone: pass --yes, or --dry-run to see what it would erase;"
            " see argos-sync forget --help",
        ),
        Mistake(
            "forget --yes",
            "nobody to forget; give --submission-id, --userid, --email or --from-file",
        ),
        Mistake(
            "forget kim@example.com --yes",
            "Got unexpected extra argument(s); see argos-sync forget --help",
        ),
        Mistake(
            "forget --email kim@exmaple.com --yes",
            "nobody was found for --email; nothing was erased; check the spelling, or pass"
            " --allow-unknown to keep these people out all the same",
            has_warehouse=True,
        ),
        Mistake(
            "forget --from-file requests.txt --yes",
            "--from-file, line 2: give `userid: …`, `email: …` or a submission id;"
            " see argos-sync forget --help",
            files={"requests.txt": "userid: kim-1203\nlee@example.com\n"},
        ),
        Mistake(
            "forget --from-file request.txt --yes",
            "--from-file cannot be read: No such file or directory; see argos-sync forget --help",
        ),
        Mistake(
            "suppressions import requests.txt",
            "requests.txt is not a suppression list; name a file of `suppressions export`",
            files={"requests.txt": "userid: kim-1203\n"},
        ),
    ],
}
"""Mistakes by what they are about."""


def page() -> str:
    """Return the page of the documentation."""
    parts = [INTRODUCTION]
    for title, mistakes in MISTAKES.items():
        shown = "\n\n".join(mistake.shown() for mistake in mistakes)
        parts.append(f"## {title}\n\n```\n{shown}\n```\n")
    return "\n".join(parts)


def arguments(mistake: Mistake) -> list[str]:
    """Return the arguments that a shell makes of the command."""
    return shlex.split(mistake.command)


if __name__ == "__main__":
    sys.stdout.write(page())
