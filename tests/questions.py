"""The questions of docs/questions.md and their answers: `make questions` writes the answers anew.

The page has a heading, a query and an answer for each question. The answer is the table below the
query: its columns, its first rows, and how many there are.
"""

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.emulator import Store, generate
from made_once import made_once
from support import Rows, Warehouse, context_for, duckdb_warehouse
from whole_lists import Emulator

PAGE = Path(__file__).parent.parent / "docs" / "questions.md"

COPY = "copy.duckdb"
"""Name of the published copy of the page's warehouse."""

FIRST_NIGHT = "first_night"
"""Name of the folder with the page's warehouse as it was after the first sync."""

SUBMISSIONS = "submissions.json"
"""Name of the file with the submissions that the API has in the end."""

OVERTURNED, CLEARED = 4, 2
"""How many decisions are overturned, and how many red flags are cleared, between the syncs."""

SHOWN = 4
"""Rows of an answer that the page shows."""

MAX_LINES = 8
"""Lines of a query."""

DAILY = "<!-- depends on today -->"
"""Marks a question whose answer is another one every day: only its columns are compared."""

FIRST_SYNC, SECOND_SYNC = datetime(2026, 1, 1, 3, tzinfo=UTC), datetime(2026, 1, 4, 3, tzinfo=UTC)

NOT_IN_COPIES = "A published copy cannot answer this"
"""Says in the text of a question that a published copy has no rows for it."""

_QUESTION = re.compile(
    r"^### (?P<title>\d+\. .+?)\n(?P<text>.*?)^```sql\n(?P<sql>.*?)^```\n(?P<answer>.*?)(?=^#|\Z)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Question:
    """A question of the page."""

    title: str
    text: str
    sql: str
    answer: str

    @property
    def is_daily(self) -> bool:
        """Return whether the answer depends on the day."""
        return DAILY in self.text


def read_questions(page: str) -> Iterator[Question]:
    """Yield the questions of a page's text."""
    for found in _QUESTION.finditer(page):
        yield Question(**found.groupdict())


def render_answer(rows: Rows) -> str:
    """Return an answer as a Markdown table of the first rows, and a line that counts the others."""
    head, *body = [list(rows[0]), *([_text(v) for v in row.values()] for row in rows[:SHOWN])]
    lines = [head, ["---"] * len(head), *body]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    more = len(rows) - SHOWN
    rest = f"\n… and {more} more row{'s' if more > 1 else ''}.\n" if more > 0 else ""
    return f"\n{table}{rest}\n"


def same_shape(answer: str, rendered: str) -> bool:
    """Return whether two answers have the same columns."""
    return answer.splitlines()[1:3] == rendered.splitlines()[1:3]


def load_year(warehouse: Warehouse, between: Callable[[], object] = lambda: None) -> Rows:
    """Load the year 2025 of the demo, and three nights later what people have changed since.

    Return the submissions as they are then.

    Between the two syncs reviewers overturn three approvals and one rejection, clear two red flags,
    monitoring raises one, and nine submissions are deleted.

    Args:
        warehouse: an empty warehouse.
        between: called between the two syncs.
    """
    first, last = date(2025, 1, 1), date(2025, 12, 31)
    store = Store(generate(500, start=first, end=last, projected_share=0.02))
    with Emulator(store) as api:
        context = context_for(api.base_url, warehouse.target, FIRST_SYNC, lookback_days=400)
        sync(context)
        between()
        _change(store)
        context = context_for(api.base_url, warehouse.target, SECOND_SYNC, lookback_days=400)
        sync(context)
    return list(store.all())


def make_year() -> Path:
    """Return a folder, made once: the warehouse of `load_year`, its copy, and its submissions.

    Its folder `FIRST_NIGHT` has the warehouse as it was after the first sync.
    """

    def make(folder: Path) -> None:
        warehouse = duckdb_warehouse(folder)
        file = Path(str(warehouse.target.file))

        def keep() -> None:
            (folder / FIRST_NIGHT).mkdir()
            shutil.copy(file, folder / FIRST_NIGHT)

        submissions = load_year(warehouse, keep)
        (folder / SUBMISSIONS).write_text(json.dumps(submissions), encoding="utf-8")
        publish(warehouse.target, folder / COPY)

    return made_once("questions", make)


def _change(store: Store) -> None:
    by_result: dict[str, Rows] = {"approved": [], "rejected": [], "flagged": []}
    for one in store.all():
        flagged = (one.get("aml") or {}).get("currentstatus") == "Red Flag"
        by_result.setdefault("flagged" if flagged else one["kyc"]["result"], []).append(one)
    for one, result in [
        *((one, "rejected") for one in by_result["approved"][-3:]),
        (by_result["rejected"][-1], "approved"),
    ]:
        changes = {"kyc": one["kyc"] | {"result": result}, "reviewer": "agent"}
        store.update(one["submission_id"], changes)
    cleared = {"currentstatus": "Not Screened", "risk_level_summary": "Not Screened", "matches": []}
    for one in by_result["flagged"][:CLEARED]:
        store.update(one["submission_id"], {"aml": one["aml"] | cleared})
    raised = by_result["flagged"][-1]["aml"]
    store.update(by_result["approved"][0]["submission_id"], {"aml": raised})
    for name in store.sample(0.01):
        store.delete(name)


def write_answers(page: str, ask: Callable[[str], Rows]) -> str:
    """Return the page's text with its answers made anew.

    An answer that depends on the day stays as long as it has the same columns.
    """

    def renew(found: re.Match[str]) -> str:
        question = Question(**found.groupdict())
        rendered = render_answer(ask(question.sql))
        if question.is_daily and same_shape(question.answer, rendered):
            rendered = question.answer
        return found[0].removesuffix(question.answer) + rendered

    return _QUESTION.sub(renew, page)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float | Decimal):
        return f"{float(value):.10g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        made = duckdb_warehouse(Path(name))
        load_year(made)
        page = Path(sys.argv[1])
        page.write_text(write_answers(page.read_text("utf-8"), made.query), encoding="utf-8")
