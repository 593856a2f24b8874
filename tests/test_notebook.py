"""docs/notebook.py: it runs as a script, and its charts show the answers of docs/questions.md."""

import json
import re
import subprocess
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from published import copy_of
from questions import COPY, PAGE, make_year, read_questions
from requirements import report_missing

pytestmark = pytest.mark.dbt

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.py"
PYTHON = ROOT / ".venv-dbt" / "bin" / "python"
CHARTS = {"funnel": 1, "leaving": 3, "reasons": 7, "alerts": 16, "countries": 24}
"""Number of the question that each chart answers."""

QUESTIONS = {
    int(one.title.partition(".")[0]): one.sql for one in read_questions(PAGE.read_text("utf-8"))
}


@pytest.fixture(scope="module")
def charts() -> dict[str, Any]:
    """Run the notebook, and return the Vega-Lite specification of each chart."""
    if not PYTHON.exists():
        report_missing("no marimo in .venv-dbt: make test-dbt")
    command = (PYTHON, ROOT / "tests" / "notebook_run.py", NOTEBOOK, "--copy", make_year() / COPY)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_its_queries_are_those_of_the_page() -> None:
    """Five of the thirty, letter for letter."""
    found = re.findall(r'ask\("""\n(.*?)"""', NOTEBOOK.read_text("utf-8"), re.DOTALL)
    assert [dedent(query) for query in found] == [QUESTIONS[number] for number in CHARTS.values()]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_rows_of_its_question(name: str, charts: dict[str, Any]) -> None:
    """Its data are those of the copy, and its fields exist."""
    chart = charts[name]
    rows = copy_of(make_year() / COPY).query(QUESTIONS[CHARTS[name]])
    assert rows
    assert chart["data"]["values"] == [
        {column: _plain(value) for column, value in row.items()} for row in rows
    ]
    calculated = set(re.findall(r'"as": (?:\["(\w+)", "(\w+)"\]|"(\w+)")', json.dumps(chart)))
    known = {*rows[0], *(field for fields in calculated for field in fields)}
    assert set(re.findall(r'"field": "(\w+)"', json.dumps(chart))) <= known


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | None) else value.isoformat()
