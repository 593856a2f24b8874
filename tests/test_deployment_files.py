"""The Dockerfile and the files in docs/deployment/: valid, careful, and in step with the code."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from argos_sync.cli.app import app
from argos_sync.config import load_settings, refuse_unknown_keys
from argos_sync.load.target import Target, locate

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "deployment"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
URL = "postgresql://loader:p%40ss@db.test:5432/kyc"


@cache
def compose() -> dict[str, Any]:
    """Return the compose file."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
    return content


@cache
def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects for Kubernetes by kind and name."""
    objects = list(yaml.safe_load_all((FOLDER / "cronjob.yaml").read_text(encoding="utf-8")))
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def jobs() -> list[dict[str, Any]]:
    """Return the specifications of the jobs for Kubernetes."""
    return [
        one["spec"]["jobTemplate"]["spec"]
        for (kind, _), one in manifests().items()
        if kind == "CronJob"
    ]


def pods() -> list[dict[str, Any]]:
    """Return the specifications of their pods, which have one container each."""
    specs = [job["template"]["spec"] for job in jobs()]
    assert [len(spec["containers"]) for spec in specs] == [1, 1]
    return specs


def command_lines() -> Iterator[list[str]]:
    """Yield the arguments of each call of argos-sync in these files."""
    yield from (pod["containers"][0]["args"] for pod in pods())
    (script,) = compose()["services"]["sync"]["command"]
    lines = [line.strip() for line in script.splitlines()]
    yield from (shlex.split(line)[1:] for line in lines if line.startswith("argos-sync "))
    check = compose()["services"]["sync"]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "argos-sync"]
    yield check[2:]
    (check,) = re.findall(r"^HEALTHCHECK .*\n\s+CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    program, *arguments = json.loads(check)
    assert program == "argos-sync"
    yield arguments


def test_every_command_line_is_understood() -> None:
    """The command exists and takes the options, with these values."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined] # of a group
    names = []
    for name, *arguments in command_lines():
        commands[name].make_context(name, arguments)
        names.append(name)
    assert sorted(names) == ["status", "status", "status", "sync", "sync"]


def test_the_compose_file_matches_its_schema() -> None:
    """It has the keys and values of the Compose Specification."""
    path = str(FOLDER / "compose.yaml")
    options = ["--builtin-schema", "vendor.compose-spec", path]
    result = CliRunner().invoke(check_jsonschema, options)
    assert result.exit_code == 0, result.output


def check_settings(
    mounted: Path, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch, **settings: str
) -> tuple[Any, Any]:
    """Return what argos-sync reads of mounted secrets and variables: settings, credentials."""
    for name, text in secrets.items():
        (mounted / name).write_text(f"{text}\n", encoding="utf-8")
    for name, text in settings.items():
        monkeypatch.setenv(name, text)
    refuse_unknown_keys()
    client = locate(Target("postgres", "argos", str(mounted.parent))).client
    return load_settings(), client.credentials


def test_compose_configures_argos_sync(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets have the names that dlt looks for, and the variables are settings."""
    service, postgres = compose()["services"]["sync"], compose()["services"]["postgres"]
    texts = {"api-key": "k", "privacy-key": "p", "postgres-password": "p@ss"}
    assert set(texts) == set(compose()["secrets"])
    secrets = {one["target"]: texts[one["source"]] for one in service["secrets"]}
    settings, credentials = check_settings(mounted, secrets, monkeypatch, **service["environment"])
    assert (settings.api_key, settings.privacy.key) == ("k", "p")
    assert (settings.privacy.direct, settings.privacy.quasi) == ("encrypt", "hash")
    database = postgres["environment"]
    assert postgres["secrets"] == [Path(database["POSTGRES_PASSWORD_FILE"]).name]
    assert (credentials.username, credentials.password) == (database["POSTGRES_USER"], "p@ss")
    assert (credentials.host, credentials.database) == ("postgres", database["POSTGRES_DB"])


def test_kubernetes_configures_argos_sync(mounted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, for the secret that the first lines say how to create."""
    head = (FOLDER / "cronjob.yaml").read_text(encoding="utf-8").partition("\napiVersion")[0]
    files = dict(re.findall(r"--from-file=(\S+)=(\S+)", head))
    texts = {"api-key": "k", "privacy-key": "p", "postgres-url": URL}
    secrets = {name: texts[file] for name, file in files.items()}
    variables = manifests()["ConfigMap", "argos-sync"]["data"]
    settings, credentials = check_settings(mounted, secrets, monkeypatch, **variables)
    assert (settings.api_key, settings.privacy.key) == ("k", "p")
    assert (settings.privacy.direct, settings.privacy.quasi) == ("encrypt", "hash")
    assert (credentials.username, credentials.password) == ("loader", "p@ss")


def test_pods_may_do_little() -> None:
    """No root, no rights, nothing to write to but the volumes, no token of the cluster."""
    for pod in pods():
        (container,) = pod["containers"]
        assert pod["securityContext"] == pod["securityContext"] | {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert {"requests", "limits"} == set(container["resources"])
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert set(mounts) == {"/data", "/tmp", "/run/secrets"}  # noqa: S108 the image's own
        assert set(mounts.values()) == {volume["name"] for volume in pod["volumes"]}


def test_services_may_do_little() -> None:
    """The same for Docker."""
    service = compose()["services"]["sync"]
    assert (service["read_only"], service["user"]) == (True, "10001:10001")
    assert (service["cap_drop"], service["init"]) == (["ALL"], True)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["work:/data"]
    assert [one.partition(":")[0] for one in service["tmpfs"]] == ["/tmp"]  # noqa: S108
    assert compose()["networks"]["database"] == {"internal": True}
    assert "ports" not in compose()["services"]["postgres"]


def test_failures_are_tried_again_as_their_exit_codes_say() -> None:
    """Not after 2 and 3, which need a person; and only one run at a time."""
    cron = manifests()["CronJob", "argos-sync"]["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    job, alarm = jobs()
    assert job["backoffLimit"] > 0
    codes = job["podFailurePolicy"]["rules"][0]
    assert codes["action"] == "FailJob"
    (container,) = job["template"]["spec"]["containers"]
    assert codes["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "In",
        "values": [2, 3],
    }
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # what the policy requires
    assert alarm["backoffLimit"] == 0


@pytest.mark.parametrize(
    ("code", "seconds"), [(0, 86400), (2, 86400), (3, 86400), (1, 600), (5, 600), (143, 600)]
)
def test_the_loop_of_compose_waits_as_the_exit_code_says(
    code: int, seconds: int, tmp_path: Path
) -> None:
    """A day after a success, and where only a person can help; otherwise ten minutes."""
    programs = {"argos-sync": f"exit {code}", "sleep": 'echo "$@" && kill $PPID'}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    service = compose()["services"]["sync"]
    # Compose takes $$ for $.
    arguments = [*service["entrypoint"], service["command"][0].replace("$$", "$")]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{seconds}\n"


def test_the_image_has_no_root_and_no_secret() -> None:
    """Its user is a number, as Kubernetes needs it, and the context has only what is copied."""
    assert re.findall(r"^USER (.*)$", FINAL_STAGE, re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"KEY|PASSWORD|CREDENTIALS|SECRET", DOCKERFILE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == names
    assert all((ROOT / name).exists() for name in names)


def test_versions_are_those_of_the_project() -> None:
    """The tag of the image, and the extra that the image installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    images = {compose()["services"]["sync"]["image"]}
    images |= {pod["containers"][0]["image"].rpartition("/")[2] for pod in pods()}
    assert images == {f"argos-sync:{project['version']}"}
    (extras,) = re.findall(r'^ARG EXTRAS="(.*)"$', DOCKERFILE, re.MULTILINE)
    assert set(extras.split()) <= set(project["optional-dependencies"])
    python = set(re.findall(r"^FROM python:(3\.\d+)-slim", DOCKERFILE, re.MULTILINE))
    assert len(python) == 1
    assert f"Programming Language :: Python :: {python.pop()}" in project["classifiers"]
