"""docs/deployment.md matches the code."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import Orchestration, load_orchestration

SECTION = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
ARGOS_SYNC = str(Path(sys.executable).parent / "argos-sync")


def blocks(language: str) -> list[str]:
    """Return the code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.mark.process
def test_every_command_and_option_exists() -> None:
    """The schedulers' commands use only options that `--help` lists."""
    code = "\n".join(re.findall(r"```\w+\n(.*?)```", SECTION, re.DOTALL))
    found = re.findall(r"\bargos-sync (sync|status|reconcile)\b([^\n]*)", code)
    assert {name for name, _ in found} == {"sync", "status", "reconcile"}
    for name in {name for name, _ in found}:
        done = subprocess.run(
            [ARGOS_SYNC, name, "--help"], check=True, capture_output=True, text=True
        )
        used = {o for one, rest in found if one == name for o in re.findall(r"--[a-z-]+", rest)}
        assert used <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_every_setting_has_its_default_in_the_table() -> None:
    """The table lists every setting of the section orchestration."""
    for one in fields(Orchestration):
        if not one.name.startswith("_") and one.name != "start_date":
            (row,) = [line for line in SECTION.splitlines() if f".{one.name}`" in line]
            default = getattr(Orchestration, one.name)
            text = f"{default:g}" if isinstance(default, float) else str(default).lower()
            assert default is None or text in row.rpartition(" | ")[2]


@pytest.mark.parametrize("value", ["", "nonsense"])
def test_start_date_is_validated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value counts as none; anything but a date is refused."""
    monkeypatch.setenv("SOURCES__ARGOS__START_DATE", value)
    if value:
        with pytest.raises(ConfigurationError, match="start_date"):
            load_orchestration()
    else:
        assert not load_orchestration().start_date


def test_the_airflow_example_is_python() -> None:
    """It compiles; Airflow itself is not installed here."""
    (example,) = blocks("python")
    compile(example, "dag.py", "exec")


def test_the_systemd_units_are_valid(tmp_path: Path) -> None:
    """systemd-analyze reports nothing."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    units = []
    for text in blocks("ini"):
        unit = tmp_path / Path(text.splitlines()[0]).name
        unit.write_text(
            text.replace("/srv/argos/.venv/bin/argos-sync", ARGOS_SYNC), encoding="utf-8"
        )
        units.append(str(unit))
    assert len(units) == 2
    done = subprocess.run([analyze, "verify", *units], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
