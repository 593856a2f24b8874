"""The files in .github/: valid for GitHub, and in step with the project."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*_*.yml"))


@cache
def parse(path: Path) -> dict[str, Any]:
    """Return a workflow file; YAML reads its key `on` as true."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in parse(path)["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_files_match_their_schema(schema: str, files: list[Path]) -> None:
    """Each file has the keys and values that GitHub knows."""
    assert files
    result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *map(str, files)])
    assert result.exit_code == 0, result.output


def test_ci_tests_every_supported_python() -> None:
    """The matrix of ci.yml has the versions that pyproject.toml names, from the oldest on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    ci = parse(GITHUB / "workflows" / "ci.yml")
    assert ci["jobs"]["check"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"


def test_workflows_run_make_targets_that_exist() -> None:
    """Each `make` in a workflow names a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join(step.get("run", "") for path in WORKFLOWS for step in steps(path))
    called = set(re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE))
    assert "check" in called
    assert called <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_trust_little(path: Path) -> None:
    """Actions are pinned to a commit, jobs name their permissions, no checkout keeps its token."""
    assert parse(path)["permissions"] == {}
    assert all("permissions" in job for job in parse(path)["jobs"].values())
    for reference in re.findall(r"uses: (.+)", path.read_text()):
        assert re.fullmatch(r"\./\S+|\S+@[0-9a-f]{40} # v[0-9.]+", reference)
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
