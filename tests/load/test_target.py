"""Where a target is: the spelling of its dataset, and one lock for each warehouse."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

import argos_sync
from argos_sync.api.errors import ConfigurationError
from argos_sync.commands.forget import forget
from argos_sync.commands.publish.duckdb_copy import publish
from argos_sync.commands.sync import sync
from argos_sync.config import load_settings, sections_of
from argos_sync.emulator import generate
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target, locate
from support import PG, context_for, postgres_administrator
from whole_lists import Emulator

REFUSED = {
    "hangul": ("한국", "x"),
    "kanji": ("日本", "x"),
    "accent": ("café", "cafx"),
    "combining accent": (unicodedata.normalize("NFD", "café_kyc"), "cafe_kyc"),
    "partly Hangul": ("kyc_한국", "kycxx"),
    "full width": ("\uff2b\uff39\uff23", "x"),
    "Kelvin sign": ("\u212ayc", "_yc"),
    "emoji": ("🇰🇷kyc", "_kyc"),
    "punctuation": ("kyc!a", "kyc_a"),
    "slash": ("a/b", "a_b"),
    "plus": ("kyc+", "kycx"),
    "trailing _": ("kyc_", "kycx"),
    "nothing": ("--", "xx"),
}


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A DuckDB file that does not exist yet."""
    return Target(pipelines_dir=str(tmp_path / "pipelines"), file=str(tmp_path / "file.duckdb"))


@pytest.mark.parametrize(("name", "spelled"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_loses_letters_is_refused(target: Target, name: str, spelled: str) -> None:
    """Another name that loses them may become the same. The message gives the new name."""
    with pytest.raises(ConfigurationError, match="letters a to z, digits and single _") as raised:
        locate(replace(target, dataset=name))
    assert f"would call the dataset {spelled}," in str(raised.value)
    assert raised.value.exit_code == 2
    assert not Path(str(target.pipelines_dir)).exists()
    assert not Path(str(target.file)).exists()


@pytest.mark.parametrize("name", ["KYC_Prod", "kyc-prod", "kycProd", " kyc prod ", "KYC.PROD"])
def test_spellings_of_a_name_share_a_lock(
    target: Target, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are one schema, so they are one working directory, and one lock of the database."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
    for one in (target, replace(target, destination="postgres", file=None)):
        assert locate(replace(one, dataset=name)) == locate(replace(one, dataset="kyc_prod"))


@pytest.mark.parametrize(
    "name", ["kyc_staging", "KYC-Staging", "kyc_staging_20240101_20240131", "a_staging_1_2"]
)
def test_the_name_of_a_staging_dataset_is_refused(target: Target, name: str) -> None:
    """Dlt empties the staging dataset of `kyc` with each load into `kyc`."""
    with pytest.raises(ConfigurationError, match="staging dataset of"):
        locate(replace(target, dataset=name))


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        *(("duckdb", name) for name in ("temp", "System", "information_schema", "pg_catalog")),
        *(("postgres", name) for name in ("information_schema", "pg_catalog", "pg_kyc")),
    ],
)
def test_the_schema_of_a_database_is_refused(
    target: Target, destination: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is connected; `main` and `public` are the user's own."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://a:b@127.0.0.1:9/kyc")
    one = replace(target, destination=destination, file=None)
    with pytest.raises(ConfigurationError, match="keeps for itself; give the dataset another"):
        locate(replace(one, dataset=name))
    own = "main" if destination == "duckdb" else "public"
    assert locate(replace(one, dataset=own)).dataset == own


def test_a_destination_that_keeps_names_is_believed(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB takes any name, but does not tell upper from lower case."""
    monkeypatch.setenv("DESTINATION__DUCKDB__ENABLE_DATASET_NAME_NORMALIZATION", "false")
    assert locate(replace(target, dataset="한국")).dataset == "한국"
    assert locate(replace(target, dataset="한국")) != locate(replace(target, dataset="일본"))
    assert locate(replace(target, dataset="KYC")) == locate(replace(target, dataset="kyc"))


def test_long_names(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL cuts a name after 63 bytes; a partition's staging dataset has to fit."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
    postgres = replace(target, destination="postgres", file=None)
    assert locate(replace(postgres, dataset="k" * 37)).dataset == "k" * 37
    for length in (38, 63, 64, 300):
        with pytest.raises(ConfigurationError, match="at most 37"):
            locate(replace(postgres, dataset="k" * length))
    assert locate(replace(target, dataset="k" * 300)).dataset == "k" * 300


def test_long_names_in_bytes(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL counts bytes."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", PG)
    monkeypatch.setenv("DESTINATION__POSTGRES__ENABLE_DATASET_NAME_NORMALIZATION", "false")
    postgres = replace(target, destination="postgres", file=None)
    assert locate(replace(postgres, dataset="한" * 12)).dataset == "한" * 12
    with pytest.raises(ConfigurationError, match="at most 37 bytes"):
        locate(replace(postgres, dataset="한" * 13))


def test_spellings_of_a_file_share_a_lock(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative, through a symbolic link, with `..`, and as the configured file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "other.duckdb").symlink_to(tmp_path / "file.duckdb")
    monkeypatch.chdir(tmp_path)
    location = locate(target)
    for file in (
        *("file.duckdb", "./file.duckdb", "folder/../file.duckdb", "link/file.duckdb"),
        *("other.duckdb", f"{tmp_path}//file.duckdb"),
    ):
        assert locate(replace(target, file=file)) == location
        monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", f"duckdb:///{file}")
        assert locate(replace(target, file=None)) == location
    assert locate(replace(target, destination="dlt.destinations.duckdb", file=None)) == location
    for folder in ("pipelines", "./folder/../pipelines", "link/pipelines"):
        assert locate(replace(target, pipelines_dir=folder)) == location
    assert locate(replace(target, file="another.duckdb")).working != location.working


def _open(target: Target) -> None:
    with open_read_only(target):
        raise AssertionError


COMMANDS: dict[str, Callable[[str, Target, Path], object]] = {
    "sync": lambda url, target, _: sync(context_for(url, target)),
    "forget": lambda url, target, _: forget(context_for(url, target), [("userid", "kim")]),
    "forget --as-in": lambda url, target, _: forget(
        context_for(url, replace(target, dataset="new")), [], target.dataset
    ),
    "publish": lambda _, target, folder: publish(target, folder / "copy.duckdb"),
    "status": lambda _, target, __: _open(target),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_refuse_a_name_before_anything_else(
    target: Target, tmp_path: Path, command: str
) -> None:
    """Neither a request is sent nor a file created."""
    refused = replace(target, dataset="한국")
    with Emulator(generate(3)) as api:
        with pytest.raises(ConfigurationError, match="call the dataset x"):
            COMMANDS[command](api.base_url, refused, tmp_path)
        assert api.request_count == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a?b", "a\\b"])
def test_paths_that_duckdb_misreads(name: str, tmp_path: Path) -> None:
    """They are refused before a file is there that DuckDB cannot open again."""
    folder = tmp_path / name
    folder.mkdir()
    with pytest.raises(
        ConfigurationError, match=r"has a \? or a backslash; name a file in another"
    ):
        locate(Target(file=str(folder / "k.duckdb")))
    assert list(folder.iterdir()) == []


def test_a_copy_named_like_the_dataset_is_refused_in_any_spelling(
    target: Target, tmp_path: Path
) -> None:
    """The schema in the copy has the destination's spelling."""
    with pytest.raises(ConfigurationError, match="named like its dataset"):
        publish(replace(target, dataset="Kyc-Prod"), tmp_path / "kyc_prod.duckdb")
    with pytest.raises(ConfigurationError, match="named like its dataset"):
        locate(replace(target, dataset="File", file=str(tmp_path / "file.duckdb")))


def test_the_public_source_refuses_the_name_of_its_pipeline(tmp_path: Path) -> None:
    """A pipeline of one's own has the same destination."""
    with Emulator(generate(3)) as api:
        pipeline = dlt.pipeline(
            "own",
            destination=dlt.destinations.duckdb(f"duckdb:///{tmp_path / 'file.duckdb'}"),
            dataset_name="한국",
            pipelines_dir=str(tmp_path),
        )
        source = argos_sync.argos_source(api_key="k", base_url=api.base_url)
        with pytest.raises(PipelineStepFailed, match="call the dataset x"):
            pipeline.run(source, loader_file_format="parquet")
    assert api.request_count == 0


@pytest.mark.parametrize("name", ["japan_", "japan__x", "Japan", "_japan", "日本"])
def test_project_names_are_spelled_as_any_destination_spells_them(name: str) -> None:
    """The projects `a_b` and `a__b` would have one dataset."""
    with pytest.raises(ConfigurationError, match="single _"):
        sections_of(name)


@pytest.mark.parametrize("name", ["ARGOS", "argos-japan", "한국", "all__projects", "argos_staging"])
def test_the_dataset_of_all_projects_is_spelled_as_any_destination_spells_it(name: str) -> None:
    """Its views are created under the name as it is."""
    values: dict[str, Any] = {"api_key": "k", "projects": "japan", "projects_dataset": name}
    with pytest.raises(ConfigurationError, match=r"sources\.argos\.projects_dataset has a value"):
        load_settings(values)


@pytest.mark.postgres
def test_only_staging_datasets_of_runs_are_dropped(postgres_dataset: str, tmp_path: Path) -> None:
    """Of killed ones, and of earlier versions; a similar name is somebody's warehouse."""
    target = Target("postgres", postgres_dataset, str(tmp_path))
    ends = ("staging", "staging_20240101_01234567", "staging_old", "staging_1", "stagings")
    similar = [f"{postgres_dataset}_{end}" for end in ends]
    with postgres_administrator() as execute:
        for name in similar:
            execute(f"CREATE SCHEMA {name}")
        try:
            with open_warehouse(target) as warehouse:
                rows = warehouse.client.execute_sql(
                    "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
                    f"{postgres_dataset}_staging%",
                )
            assert {name for (name,) in rows or ()} == set(similar[2:])
        finally:
            for name in similar:
                execute(f"DROP SCHEMA IF EXISTS {name}")


@pytest.mark.slow
def test_two_spellings_load_one_warehouse(target: Target) -> None:
    """The second run goes on where the first ended."""
    with Emulator(generate(8)) as api:
        sync(context_for(api.base_url, replace(target, dataset="Kyc-Prod")))
        assert sync(context_for(api.base_url, replace(target, dataset="KYC_PROD"))).rows == 0
    with duckdb.connect(str(target.file)) as connection:
        counts = connection.execute("SELECT COUNT(*) FROM kyc_prod.submissions").fetchall()
    assert counts == [(8,)]
