"""`forget` is hard to do wrong: it counts first, asks, and refuses people whom nothing knows."""

import io
import os
import pty
from pathlib import Path

import pytest

from cli.command import Command, CommandInProcess
from cli.test_terminal import read_all
from support import Rows, Warehouse

PERSON = "person@example.org"


@pytest.fixture
def command(synced_warehouse: Warehouse) -> CommandInProcess:
    """Return the command in the folder of a loaded warehouse; it prints nobody's identifiers."""
    private = {PERSON, "u-1", "nobody-knows", "somebody-else"}
    return CommandInProcess(Path(str(synced_warehouse.target.file)).parent, private=private)


def content(command: Command) -> bytes:
    """Return the bytes of the DuckDB file."""
    return (command.folder / "kyc.duckdb").read_bytes()


def test_a_dry_run_only_counts(command: CommandInProcess, synced_submissions: Rows) -> None:
    """It changes no byte of the file."""
    people = ("--email", PERSON, "--submission-id", synced_submissions[3]["submission_id"])
    before = content(command)
    preview = command.json("forget", *people, "--dry-run")
    text = command("forget", *people, "--dry-run").stdout
    assert content(command) == before
    assert preview["rows"]["submissions"] == 2
    assert preview["rows"]["match_risk_icons"] == 1
    assert (preview["dry_run"], preview["unknown"]) == (True, 0)
    assert text.startswith("submissions                          2\n")
    assert text.endswith("rows would be erased; this was a dry run, and nothing has changed\n")


def test_a_script_needs_yes(command: CommandInProcess) -> None:
    """Without a terminal nobody can be asked, so nothing is opened."""
    before = content(command)
    line = command.error_line("forget", "--userid", "u-1", code=2)
    assert line == (
        "an erasure cannot be undone: pass --yes, or --dry-run to see what it would"
        " erase; see argos-sync forget --help"
    )
    assert content(command) == before


@pytest.fixture
def people(command: CommandInProcess) -> tuple[str, ...]:
    """Return options that name one person of the warehouse and three whom it does not know."""
    file = command.folder / "people.txt"
    file.write_text(f"# requests\nemail: {PERSON}\n\nuserid: nobody-knows\nsomebody-else\n")
    return ("--from-file", str(file), "--userid", "nobody-knows-2")


def test_an_unknown_person_is_refused(command: CommandInProcess, people: tuple[str, ...]) -> None:
    """Nobody is erased then, not even those who were found."""
    before = content(command)
    for option in ("--yes", "--dry-run"):
        assert command.error_line("forget", *people, option, code=2) == (
            "nobody was found for --userid, line 4, line 5; nothing was erased; check the spelling,"
            " or pass --allow-unknown to keep these people out all the same"
        )
    assert content(command) == before


@pytest.mark.slow
def test_an_unknown_person_is_allowed(command: CommandInProcess, people: tuple[str, ...]) -> None:
    """The person is listed, and from then on no longer unknown: an erasure can be repeated."""
    preview = command.json("forget", *people, "--dry-run", "--allow-unknown")
    assert preview["unknown"] == 3
    summary = command.json("forget", *people, "--yes", "--allow-unknown")
    assert summary["erased"] == preview["rows"]
    assert (summary["erased"]["submissions"], summary["listed"]) == (1, 5)
    again = command.json("forget", *people, "--yes")
    assert (sum(again["erased"].values()), again["listed"]) == (0, 0)


def test_nobody_of_the_list_has_rows(command: CommandInProcess) -> None:
    """That is no error: only a restored backup has rows of people on the list."""
    assert command.json("forget", "--listed", "--yes")["erased"] == {}
    line = command.error_line("forget", "--listed", "--as-in", "other", "--yes", code=2)
    assert line.startswith("--listed takes the list as it is: run --as-in alone first; see ")


def test_people_from_stdin(command: CommandInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """They need not be in a file, nor in the list of processes."""
    lines = io.BytesIO(f"\ufeffEMail: {PERSON.upper()}\r\nuserid: u-1\r\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(lines))
    assert command.json("forget", "--from-file", "-", "--dry-run")["rows"]["submissions"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kim@example.com", "line 1: give `userid: …`, `email: …` or a submission id"),
        ("sub-1\ne-mail: kim@example.com\nkim lee", "line 2, line 3: give"),
        ("userid:\n" * 9, "line 1, line 2, line 3, line 4, line 5 and 4 more: give"),
        (b"\xff\xfe", "--from-file cannot be read: it is not UTF-8"),
        (None, "--from-file cannot be read: No such file or directory"),
        (
            "# nobody\n\n",
            "nobody to forget; give --submission-id, --userid, --email or --from-file",
        ),
    ],
)
def test_a_wrong_file(command: CommandInProcess, text: str | bytes | None, message: str) -> None:
    """A line is named by its number, because what is in it may be an identifier all the same."""
    command.private |= {"kim", "sub-1"}
    file = command.folder / "people"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert message in command.error_line("forget", "--from-file", str(file), "--yes", code=2)


def ask(command: Command, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, give one answer, and return its exit code and what it shows."""
    terminal, command_end = pty.openpty()
    with command.start(*arguments, stdin=command_end, stderr=command_end) as process:
        os.close(command_end)
        os.write(terminal, answer.encode())
        shown = read_all(terminal)
        return command.finish(process).returncode, shown


@pytest.mark.process
def test_a_terminal_is_asked(command: CommandInProcess) -> None:
    """The question follows the counts; only a yes erases anything."""
    process = Command(command.folder)
    person = ("forget", "--email", PERSON)
    before = content(command)
    for answer in ("no\n", "\x04"):  # the last one is Ctrl-D
        code, shown = ask(process, answer, *person)
        assert code == 2
        assert "submissions                          1\r\n" in shown
        assert "rows for good, and keep these people out? [y/N]" in shown
        assert "nothing was erased; answer y, or pass --yes, to erase" in shown
        assert content(command) == before
    code, shown = ask(process, "y\n", *person)
    assert code == 0
    assert process.rows("SELECT COUNT(*) FROM submissions") == [(79,)]
