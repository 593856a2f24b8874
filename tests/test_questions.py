"""docs/questions.md: every query runs and has the answer that the page shows."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from argos_sync.warehouse.views import view_names
from published import copy_of
from questions import (
    COPY,
    FIRST_NIGHT,
    MAX_LINES,
    NOT_IN_COPIES,
    PAGE,
    Question,
    load_year,
    make_year,
    read_questions,
    render_answer,
    same_shape,
)
from support import Rows, Warehouse, duckdb_warehouse, ordered, postgres_dataset, postgres_warehouse

TEXT = PAGE.read_text("utf-8")
QUESTIONS = list(read_questions(TEXT))
SHORT_QUERIES = re.findall(r"`(SELECT [^`]+)`", TEXT)
"""Queries within the page's text."""
EVERYDAY = (1, 2, 7, 8, 12, 14, 16, 18, 20, 22, 23, 26)
"""Questions that are asked every day: each has one view and few lines."""


@pytest.fixture(scope="module")
def year() -> Iterator[Warehouse]:
    """The warehouse of the page, in DuckDB; read only."""
    with _kept_open(make_year()) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def first_night() -> Iterator[Warehouse]:
    """The warehouse as it was after the first sync, in DuckDB; read only."""
    with _kept_open(make_year() / FIRST_NIGHT) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def in_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, str]]:
    """The same warehouse in PostgreSQL, and the name of its dataset."""
    with postgres_dataset() as name:
        warehouse = postgres_warehouse(tmp_path_factory.mktemp("postgres"), name)
        load_year(warehouse)
        yield warehouse, name


def test_there_are_thirty() -> None:
    """They are numbered, short, and every one of the page's queries is one."""
    assert [int(one.title.partition(".")[0]) for one in QUESTIONS] == list(range(1, 31))
    assert TEXT.count("```sql") == len(QUESTIONS)
    for one in QUESTIONS:
        assert len(one.sql.splitlines()) <= MAX_LINES, one.title


@pytest.mark.parametrize("number", EVERYDAY)
def test_everyday_questions_need_one_view(number: int) -> None:
    """No join, no subquery, and no table."""
    sql = QUESTIONS[number - 1].sql
    (view,) = re.findall(r"\bargos\.(\w+)", sql)
    assert view in view_names()
    assert sql.upper().count("SELECT") == 1


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.title.partition(".")[0])
def test_a_question_is_answered(question: Question, year: Warehouse) -> None:
    """The columns and the first rows are those of the page."""
    rendered = render_answer(year.query(question.sql))
    assert same_shape(question.answer, rendered)
    assert question.is_daily or question.answer == rendered, "run `make questions`"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.title.partition(".")[0])
def test_a_copy_answers_it_too(question: Question, year: Warehouse) -> None:
    """It has rows in a published copy, and the same columns, unless the page says no."""
    rows = copy_of(make_year() / COPY).query(question.sql)
    assert bool(rows) != (NOT_IN_COPIES in question.text)
    assert not rows or same_shape(question.answer, render_answer(rows))


@pytest.mark.parametrize("sql", SHORT_QUERIES)
def test_a_query_within_the_text_has_an_answer(sql: str, year: Warehouse) -> None:
    """In the warehouse and in a published copy."""
    assert year.query(sql)
    assert copy_of(make_year() / COPY).query(sql)


def test_the_text_says_what_is_empty_after_the_first_sync(first_night: Warehouse) -> None:
    """All else has rows then, also the queries that the text offers instead."""
    empty = [n for n, one in enumerate(QUESTIONS, start=1) if not first_night.query(one.sql)]
    assert empty == [17, 23, 30]
    assert "17, 23 and 30 have no rows yet" in TEXT
    for sql in SHORT_QUERIES:
        assert bool(first_night.query(sql)) != ("argos.changes" in sql), sql


def test_the_python_example_runs(year: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the outcomes of the warehouse."""
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    assert year.target.file is not None
    exec(example.replace("kyc.duckdb", year.target.file), {})  # noqa: S102 - our own page
    assert "dropped off" in capsys.readouterr().out


@pytest.mark.postgres
def test_postgres_gives_the_same_answers(
    year: Warehouse, in_postgres: tuple[Warehouse, str]
) -> None:
    """Row for row, though it sorts texts in another order."""
    warehouse, dataset = in_postgres
    for sql in [*(one.sql for one in QUESTIONS), *SHORT_QUERIES]:
        rows = warehouse.query(sql.replace("argos.", f"{dataset}."))
        assert _texts(rows) == _texts(year.query(sql)), sql


@contextmanager
def _kept_open(folder: Path) -> Iterator[Warehouse]:
    """Yield the warehouse of a folder; queries are faster while its file is open."""
    warehouse = duckdb_warehouse(folder)
    with duckdb.connect(str(warehouse.target.file), read_only=True):
        yield warehouse


def _texts(rows: Rows) -> list[str]:
    """Return the rows of an answer, in a stable order."""
    return sorted(render_answer([row]) for row in ordered(rows))
