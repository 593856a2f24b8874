"""A beginner's mistake gets one line that says what to do; the page of the documentation has it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import PluggableRunContext

from cli.command import CommandInProcess
from cli.mistakes import CONFIGURED, MISTAKES, TODAY, Mistake, arguments, page
from support import Warehouse

ALL = [
    pytest.param(one, marks=[pytest.mark.slow] if one.has_warehouse else [], id=one.command)
    for mistakes in MISTAKES.values()
    for one in mistakes
]
PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[CommandInProcess]:
    """Return the command in an empty folder, from which dlt reads its files as in a new process."""
    container = Container()
    before = container[PluggableRunContext]
    del container[PluggableRunContext]
    yield CommandInProcess(tmp_path)
    container[PluggableRunContext] = before


@pytest.mark.parametrize("mistake", ALL)
def test_a_mistake(
    mistake: Mistake, command: CommandInProcess, request: pytest.FixtureRequest
) -> None:
    """It exits with 2, and the line is exactly the one that is documented."""
    command.settings |= {name: text for name, text in CONFIGURED.items() if name != mistake.unset}
    command.settings |= {name: text.strip("'") for name, text in mistake.settings.items()}
    for path, text in mistake.files.items():
        (command.folder / path).parent.mkdir(exist_ok=True)
        (command.folder / path).write_text(text, encoding="utf-8")
    if mistake.has_warehouse:
        warehouse: Warehouse = request.getfixturevalue("synced_warehouse")
        assert Path(str(warehouse.target.file)) == command.folder / "kyc.duckdb"
    before = files(command)
    line = command.error_line(*arguments(mistake), code=2)
    today = datetime.now(UTC).date()
    assert line == mistake.line.replace(TODAY, today.isoformat())
    assert files(command) == before


def files(command: CommandInProcess) -> dict[str, bytes]:
    """Return the content of all files in the folder of the command but those of dlt."""
    paths = [path for path in command.folder.iterdir() if path.is_file()]
    return {path.name: path.read_bytes() for path in paths}


def test_the_page_has_them_all() -> None:
    """`tests/cli/mistakes.py` writes it; there are at least twenty."""
    assert len(ALL) >= 20
    assert PAGE.read_text(encoding="utf-8") == page()
