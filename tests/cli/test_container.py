"""The command as the image runs it: no root, a read-only root file system, secrets in files."""

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cli.conftest import KEY
from cli.container import DOCKERFILE, USER, Container
from support import PG
from whole_lists import Emulator

pytestmark = pytest.mark.process

PRIVACY_KEY = "cHJpdmFjeS1rZXktb2YtYS1maWxlLTAxMjM0NTY3ODk="


@pytest.fixture
def container(tmp_path: Path, api: Emulator) -> Container:
    """Return a container with an API; its keys are mounted as files that end with a line break."""
    settings = {
        "SOURCES__ARGOS__BASE_URL": api.base_url,
        "SOURCES__ARGOS__MAX_REQUESTS_PER_SECOND": "1000",
        "SOURCES__ARGOS__PRIVACY__DIRECT": "encrypt",
    }
    secrets = {
        "sources--argos--api-key": f"{KEY}\n",
        "sources--argos--privacy--key": f"{PRIVACY_KEY}\n",
    }
    return Container(tmp_path, settings, secrets)


def test_the_container_is_what_it_says(container: Container) -> None:
    """Otherwise the other tests here would show nothing."""
    assert container.run("id", "--user").stdout == f"{USER}\n"
    for path in (container.folder / "new", Path.home() / "new", Path("/new")):
        assert "Read-only file system" in container.run("touch", str(path)).stderr
    assert not container.run("touch", "new").returncode
    assert (container.volume / "new").exists()


def test_a_sync_and_the_health_check(
    container: Container, submissions: list[dict[str, Any]]
) -> None:
    """The warehouse is in the volume; the check fails before the sync and passes after it."""
    (check,) = re.findall(r"^HEALTHCHECK .*\n\s+CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert container.run(*json.loads(check)).returncode == 7
    done = container.run("argos-sync", "sync", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["submissions_new"] == len(submissions)
    healthy = container.run(*json.loads(check))
    assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "")
    with duckdb.connect(str(container.volume / "kyc.duckdb"), read_only=True) as connection:
        names = connection.execute("SELECT name FROM argos.applicants WHERE name IS NOT NULL")
        assert {name[:3] for (name,) in names.fetchall()} == {"e1."}


@pytest.mark.postgres
def test_postgresql(container: Container, postgres_dataset: str) -> None:
    """Its URL is a secret in a file, too."""
    container.secrets |= {"destination--postgres--credentials": f"{PG}\n"}
    options = ("--destination", "postgres", "--dataset", postgres_dataset)
    done = container.run("argos-sync", "doctor", *options)
    assert done.returncode == 0, done.stderr
    assert f"postgres, dataset {postgres_dataset}, can be opened for writing" in done.stdout


def test_a_volume_that_is_not_mounted(container: Container) -> None:
    """The working folder is read-only, too: one line says which path."""
    done = container.run("sh", "-c", "cd / && exec argos-sync sync")
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1), done.stderr
    assert "/kyc.duckdb" in done.stderr
