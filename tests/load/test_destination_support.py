"""Which destinations are accepted: refused ones are never configured, connected or written to."""

import pkgutil
from pathlib import Path

import dlt.destinations.impl
import pytest
from dlt.common.destination import Destination

from argos_sync.api.errors import ConfigurationError
from argos_sync.config import load_orchestration
from argos_sync.load.destinations.duckdb import DuckDb
from argos_sync.load.destinations.factory import check_destination, make_destination
from argos_sync.load.destinations.support import ACCEPTED, REFUSED
from argos_sync.load.pipeline import open_warehouse
from argos_sync.load.read_only import open_read_only
from argos_sync.load.target import Target
from argos_sync.orchestration.tasks import make_target

DLT = {module.name for module in pkgutil.iter_modules(dlt.destinations.impl.__path__)}
TRIED = [name for name, accepted in ACCEPTED.items() if accepted.status == "tried"]


def test_every_destination_of_dlt_is_accepted_or_refused() -> None:
    """A new one of a later dlt has to be decided upon."""
    assert ACCEPTED.keys() | REFUSED.keys() == DLT
    assert not ACCEPTED.keys() & REFUSED.keys()


def test_accepted_destinations_can_do_what_the_load_needs() -> None:
    """They can replace a submission's rows; those that merge in one transaction say so."""
    for name, accepted in ACCEPTED.items():
        destination = Destination.from_reference(name)
        assert destination is not None
        capabilities = destination.capabilities()
        assert "delete-insert" in (capabilities.supported_merge_strategies or ())
        is_whole = bool(capabilities.supports_ddl_transactions)
        assert (accepted.chunk == "one transaction") == is_whole, name
        assert accepted.gaps or accepted.status == "supported", name


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_destination(name: str, tmp_path: Path) -> None:
    """Reading and writing are refused with the reason and an alternative; nothing is created."""
    for allow_untried in (False, True):
        target = Target(name, pipelines_dir=str(tmp_path), allow_untried=allow_untried)
        for opened in (open_warehouse(target), open_read_only(target)):
            with pytest.raises(ConfigurationError) as raised, opened:
                pass
            assert raised.value.message.startswith(f"the destination {name} is refused: ")
            assert raised.value.message.endswith(REFUSED[name].reason)
            assert raised.value.remedy == REFUSED[name].instead
            assert raised.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TRIED)
def test_a_tried_destination(name: str, tmp_path: Path) -> None:
    """Writing to it has to be allowed; the message names all that is known not to hold there."""
    target = Target(name, pipelines_dir=str(tmp_path))
    opened = open_warehouse(target)
    with pytest.raises(ConfigurationError, match="--allow-untried") as raised, opened:
        pass
    assert raised.value.message.startswith(f"the destination {name} is tried, not supported: ")
    assert all(gap in raised.value.message for gap in ACCEPTED[name].gaps)
    assert raised.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
    check_destination(name, allow_untried=True)


def test_a_tried_destination_may_be_read(tmp_path: Path) -> None:
    """Only its configuration is missing."""
    target = Target("snowflake", pipelines_dir=str(tmp_path))
    with pytest.raises(ConfigurationError, match="configuration lacks"), open_read_only(target):
        pass


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dlt.destinations.bigquery", r"dlt\.destinations\.bigquery \(bigquery\) is refused: dlt"),
        ("load.custom_destinations.CompanyMySql", r"CompanyMySql \(sqlalchemy\) is refused"),
        ("load.custom_destinations.Unrelated", "Unrelated is refused: it is not derived from"),
        ("load.custom_destinations.receive", r"receive \(destination\) is refused: a function"),
        ("lake", r"lake \(filesystem\) is refused: files"),
        ("cluster", r"cluster \(clickhouse\) is tried, not supported"),
    ],
)
def test_a_destination_counts_as_the_one_it_derives_from(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a class of one's own, or has a name that the configuration gives it."""
    monkeypatch.setenv("DESTINATION__LAKE__DESTINATION_TYPE", "filesystem")
    monkeypatch.setenv("DESTINATION__CLUSTER__DESTINATION_TYPE", "clickhouse")
    with pytest.raises(ConfigurationError, match=message):
        check_destination(name, allow_untried=False)


@pytest.mark.parametrize(
    "name",
    ["duckdb", "postgres", "dlt.destinations.postgres", "load.custom_destinations.CompanyPostgres"],
)
def test_a_supported_destination(name: str) -> None:
    """It needs no permission."""
    check_destination(name, allow_untried=False)


@pytest.mark.parametrize("name", ["dlt.destinations.duckdb", "cases"])
def test_duckdb_under_another_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its name, by which it is configured, and is loaded as under its usual one."""
    monkeypatch.setenv("DESTINATION__CASES__DESTINATION_TYPE", "duckdb")
    destination = make_destination(name)
    assert isinstance(destination, DuckDb)
    assert destination.destination_name == name.rpartition(".")[2]


def test_dagster_allows_by_its_own_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting stands beside that of the destination."""
    assert not make_target(load_orchestration()).allow_untried
    monkeypatch.setenv("SOURCES__ARGOS__ORCHESTRATION__ALLOW_UNTRIED", "true")
    assert make_target(load_orchestration()).allow_untried
