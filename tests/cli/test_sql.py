"""`sql`: the rows of a query as a table, as CSV and as JSON."""

import os
import subprocess
from pathlib import Path

import pytest

from argos_sync.process import OUTPUT_ERROR
from cli.command import EXECUTABLE, Command, CommandInProcess
from terminal import Terminal

VALUES = """
SELECT TIMESTAMPTZ '2025-01-05 09:00:00+09' AS at, DATE '2025-01-05' AS day, 1.50 AS number,
    NULL AS nothing, true AS truth, 'a, "b" [red]' || chr(27) AS text, [1, 2] AS list"""
AT = "2025-01-05T00:00:00+00:00"


@pytest.fixture
def in_process(loaded: Command) -> CommandInProcess:
    """Return the command in this process, in a folder with a loaded warehouse."""
    return CommandInProcess(loaded.folder, loaded.settings, loaded.private)


def test_rows_are_printed(in_process: CommandInProcess) -> None:
    """Times are UTC in ISO 8601; a table shows no control sequence; a pipe cuts nothing off."""
    query = in_process.folder / "query.sql"
    query.write_text(f"-- values\n{VALUES};\n", encoding="utf-8")
    answer = in_process.json("sql", "--file", str(query))
    names = ["at", "day", "number", "nothing", "truth", "text", "list"]
    values = [AT, "2025-01-05", 1.5, None, True, 'a, "b" [red]\x1b', [1, 2]]
    assert answer == {"columns": names, "rows": [dict(zip(names, values, strict=True))]}
    header, row = in_process("sql", "--csv", VALUES).stdout.splitlines()
    assert header == ",".join(names)
    assert row == f'{AT},2025-01-05,1.50,,true,"a, ""b"" [red]\x1b","[1, 2]"'
    table = in_process("sql", VALUES).stdout
    assert 'a, "b" [red]\\x1b' in table
    assert table.endswith("1 row\n")
    in_process.private.clear()  # the query asks for what no other command may print
    ids = in_process("sql", "SELECT submission_id FROM submissions ORDER BY 1", "--csv").stdout
    expected = in_process.rows("SELECT submission_id FROM submissions ORDER BY 1")
    assert ids.splitlines()[1:] == [submission_id for (submission_id,) in expected]


def test_a_query_may_begin_with_a_comment(in_process: CommandInProcess) -> None:
    """It looks like an option."""
    for comment in ("-- one", "--one more"):
        assert in_process.json("sql", f"{comment}\nSELECT 1 AS n")["rows"] == [{"n": 1}]
    assert "No such option: --jsn" in in_process.error_line("sql", "--jsn", "SELECT 1", code=2)


def test_values_that_json_does_not_have(in_process: CommandInProcess) -> None:
    """They are texts, intervals in ISO 8601."""
    query = """SELECT 'nan'::DOUBLE AS n, '-inf'::DOUBLE AS i, 'ab'::BLOB AS b,
        INTERVAL '1 day 90.5 seconds' AS long, INTERVAL '-1 hour' AS negative,
        12345678901234567.89::DECIMAL(20, 2) AS precise, '{"a": [1]}'::JSON AS object"""
    (row,) = in_process.json("sql", query)["rows"]
    assert row.pop("object") == {"a": [1]}
    texts = {"n": "nan", "i": "-inf", "b": "6162", "long": "P1DT90.5S", "negative": "-P0DT3600S"}
    texts["precise"] = "12345678901234567.89"
    assert row == texts
    deep = in_process.json("sql", "SELECT (repeat('[', 5000) || repeat(']', 5000))::JSON AS deep")
    assert deep["rows"] == [{"deep": "[" * 5_000 + "]" * 5_000}]
    lines = in_process("sql", "--csv", query).stdout.splitlines()
    assert lines[1] == ",".join([*texts.values(), '"{""a"": [1]}"'])


@pytest.mark.process
def test_a_reader_that_has_enough(loaded: Command) -> None:
    """As with `| head`: nothing is said, and the query ends."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        query = ("sql", "SELECT range AS n FROM range(1_000_000)", "--csv")
        done = loaded.run(*query, stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (OUTPUT_ERROR, "")


@pytest.mark.process
def test_a_full_disk(loaded: Command) -> None:
    """What is full is where the rows go."""
    with Path("/dev/full").open("wb") as full:
        query = ("sql", "SELECT range AS n FROM range(1_000_000)", "--csv")
        done = loaded.run(*query, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == OUTPUT_ERROR
    assert done.stderr == (
        "argos-sync: the output could not be written: No space left on device;"
        " free space, or write it to another place\n"
    )


@pytest.mark.process
def test_a_long_table_ends(loaded: Command) -> None:
    """It says how to print the rest."""
    query = loaded.folder / "query.sql"
    query.write_text("SELECT * FROM range(1001)", encoding="utf-8")
    with query.open() as stdin:
        lines = loaded("sql", "--file", "-", stdin=stdin).stdout.splitlines()
    assert lines[-1] == "the first 1,000 rows; --csv or --json prints all"
    assert len([line for line in lines if line.startswith("│")]) == 1_000


def on_terminal(command: Command, query: str) -> list[str]:
    """Return the lines that a query prints on a terminal of 62 columns."""
    terminal = Terminal(columns=62)
    exit_code = terminal.run([EXECUTABLE, "sql", query], command.folder, command.environment)
    assert exit_code == 0
    return [line.rstrip() for line in terminal.written_lines]


@pytest.mark.process
def test_a_table_on_a_narrow_terminal(loaded: Command) -> None:
    """Long values take several lines; where the columns have no room, each row is a list."""
    lines = on_terminal(loaded, "SELECT 'one' AS a, repeat('x', 90) AS b")
    assert lines[3:5] == [f"│ one │ {'x' * 52} │", f"│     │ {'x' * 38}{' ' * 14} │"]
    columns = ", ".join(f"'김민수' AS c{n}" for n in range(7))
    assert "│ 김민수 │" in on_terminal(loaded, f"SELECT {columns[: columns.rindex(',')]}")[3]
    lines = on_terminal(loaded, f"SELECT {columns}, 'a' || chr(10) || 'b' AS last")
    assert lines[-3:-1] == ["last  a\\nb", "1 row"]
    many = ", ".join(f"{n}.50 AS column_{n}" for n in range(9))
    lines = on_terminal(loaded, f"SELECT {many}, NULL AS last")
    assert lines[:3] == ["── row 1 ──", "column_0  0.50", "column_1  1.50"]
    assert lines[9:12] == ["column_8  8.50", "last", "1 row"]


def test_another_duckdb_file(in_process: CommandInProcess) -> None:
    """`--duckdb` reads a file that is not the warehouse; columns of numbers are aligned right."""
    (in_process.folder / "kyc.duckdb").rename(in_process.folder / "copy.duckdb")
    query = "SELECT name, n FROM (VALUES ('kyc', 80), ('aml', -1_234.5)) AS v(name, n)"
    lines = in_process("sql", query, "--duckdb", "copy.duckdb").stdout.splitlines()
    assert lines[3:5] == ["│ kyc  │    80.0 │", "│ aml  │ -1234.5 │"]
    counted = in_process.json("sql", "SELECT COUNT(*) AS n FROM kyc", "--duckdb", "copy.duckdb")
    assert counted["rows"] == [{"n": 80}]
    assert "missing.duckdb" in in_process.error_line(
        "sql", "SELECT 1", "--duckdb", "missing.duckdb", code=5
    )


def test_wrong_use(in_process: CommandInProcess) -> None:
    """Neither a query nor a file, or both; two formats; a statement that writes."""
    for options in ((), ("SELECT 1", "--file", "-")):
        assert "give a query, or use --file" in in_process.error_line("sql", *options, code=2)
    both = in_process.json("sql", "SELECT 1", "--csv", code=2)
    assert "give --csv or --json, but not both" in both["message"]
    assert "not a query" in in_process.error_line("sql", "DROP TABLE kyc", code=2)
    assert "No such file" in in_process.error_line("sql", "--file", "missing.sql", code=2)
