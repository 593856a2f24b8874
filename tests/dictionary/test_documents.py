"""The documents of `make schema` are up to date and complete."""

import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from argos_sync.api.errors import ConfigurationError
from argos_sync.dictionary import render_documents, write_copy_sources
from argos_sync.shape.contract import load_contract, schemas_folder
from argos_sync.warehouse.views import load_views
from published import columns, copy_of
from questions import COPY, make_year

DOCUMENTS = render_documents()
BELONGS = {
    **dict.fromkeys(("aml", "applicants", "bank_verification", "kyc"), ("-", "submissions")),
    **dict.fromkeys(
        (
            *("additional_answers", "attempts", "kyc_comments", "matches"),
            *("submission_changes", "submission_status_history"),
        ),
        (">", "submissions"),
    ),
    "attempt_retries": (">", "attempts"),
    "match_risk_icons": (">", "matches"),
}
"""Parent of each table, and whether a parent has many rows (`>`) or at most one (`-`)."""


def committed(name: str) -> str:
    """Return a document as committed."""
    return (schemas_folder() / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_up_to_date(name: str) -> None:
    """`make schema` changes nothing."""
    assert DOCUMENTS[name] == committed(name), "run `make schema`"


def test_the_dictionary_has_every_table_and_view() -> None:
    """Columns are in order, with type, key, path, class and meaning."""
    sections = dict(
        re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", committed("README.md"), re.DOTALL | re.MULTILINE)
    )
    tables, views = load_contract().tables, {view.name: view for view in load_views()}
    assert set(sections) == set(tables) | set(views)
    for name, text in sections.items():
        rows = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| `")]
        if name in views:
            assert views[name].description in text
            assert {row[0].strip("`"): row[1] for row in rows} == views[name].columns
            continue
        table = tables[name]
        assert table.description in text
        assert [row[0] for row in rows] == [f"`{one.name}`" for one in table.columns]
        assert tuple(r[0].strip("`") for r in sorted(rows, key=lambda r: r[2]) if r[2]) == table.key
        for (_, of_type, _, path, privacy, meaning), one in zip(rows, table.columns, strict=True):
            assert (of_type.split(",")[0], "not null" in of_type) == (one.type, not one.nullable)
            assert (path.strip("`") or None, privacy, meaning) == (
                one.path,
                one.privacy,
                one.meaning,
            )


def test_the_diagrams_have_every_reference() -> None:
    """Mermaid and DBML show the same parents."""
    drawn = {
        child: ("-" if many == "|" else ">", parent)
        for parent, many, child in re.findall(r"(\w+) \|\|--o(.) (\w+) :", committed("README.md"))
    }
    written = {
        child: (kind, parent)
        for child, _, kind, parent, _ in re.findall(
            r"^Ref: (\w+)\.(\S+|\(.*?\)) ([->]) (\w+)\.(.+)$", committed("argos.dbml"), re.MULTILINE
        )
        if parent != "sync_runs"
    }
    assert drawn == written == BELONGS


def test_the_dbml_has_every_table_and_column() -> None:
    """Keys and descriptions are complete; quotation marks are escaped."""
    text = committed("argos.dbml")
    tables = dict(re.findall(r"^Table (\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE))
    for name, table in load_contract().tables.items():
        found = re.findall(
            r"^  (\w+) (\w+) \[(pk, )?(not null, )?note: '((?:[^'\\]|\\.)*)'\]$",
            tables.pop(name),
            re.MULTILINE,
        )
        assert [(n, t, not null, note.replace("\\'", "'")) for n, t, _, null, note in found] == [
            (one.name, one.type, one.nullable, one.comment) for one in table.columns
        ]
        pk = [n for n, _, pk, _, _ in found if pk]
        key = re.search(rf"^Table {name} .*?\(([\w, ]+)\) \[pk\]", text, re.DOTALL | re.MULTILINE)
        assert tuple(pk or (key or [""])[1].split(", ")) == table.key
    assert tables == {}


SOURCES = schemas_folder() / "dbt" / "models" / "sources.yml"


@cache
def dbt_source(file: Path = SOURCES) -> dict[str, Any]:
    """Return the dbt source of a file, the package's by default."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(file.read_text("utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    assert (set(document), document["version"]) == ({"version", "sources"}, 2)
    (source,) = document["sources"]
    assert set(source) == {"name", "description", "database", "schema", "loader", "tables"}
    return dict(source)


def test_the_dbt_source_is_the_contract() -> None:
    """Tables, views and columns have their descriptions, in the format of dbt 1.10.8."""
    contract, views = load_contract(), {view.name: view for view in load_views()}
    source = dbt_source()
    assert (source["name"], source["schema"]) == ("argos", "{{ var('argos_dataset', 'argos') }}")
    assert source["database"] == "{{ var('argos_database', target.database) }}"
    names = [table["name"] for table in source["tables"]]
    assert names == [*contract.tables, *sorted(views)]
    for described in source["tables"]:
        columns = {one["name"]: one["description"] for one in described["columns"]}
        if described["name"] in views:
            view = views[described["name"]]
            assert (described["description"], columns) == (view.description, view.columns)
            continue
        table = contract[described["name"]]
        assert set(described) - {"data_tests"} == {"name", "description", "config", "columns"}
        assert described["description"] == table.description
        assert described["config"]["meta"]["primary_key"] == list(table.key)
        assert columns == {one.name: one.meaning for one in table.columns}
        for one in described["columns"]:
            assert set(one) <= {"name", "description", "config", "data_tests"}
    fresh = {
        table["name"]: table["config"] for table in source["tables"] if len(table["config"]) > 1
    }
    assert list(fresh) == ["submissions"]
    assert fresh["submissions"]["loaded_at_field"] == "_synced_at"
    assert fresh["submissions"]["freshness"] == {
        "warn_after": {"count": 26, "period": "hour"},
        "error_after": {"count": 50, "period": "hour"},
    }


def named_test(tests: list[Any], kind: str) -> dict[str, Any]:
    """Return the one test of a kind that has arguments, or {} if there is none."""
    found = [one[kind] for one in tests if isinstance(one, dict) and kind in one]
    assert len(found) <= 1
    return dict(found[0]) if found else {}


@pytest.mark.parametrize("name", load_contract().tables)
def test_dbt_tests_keys_and_references(name: str) -> None:
    """The dbt tests cover unique keys, columns that are not null, and parents."""
    (described,) = [table for table in dbt_source()["tables"] if table["name"] == name]
    table = load_contract()[name]
    tests = {one["name"]: one.get("data_tests", []) for one in described["columns"]}
    of_table = described.get("data_tests", [])
    alone = {column for column, found in tests.items() if "unique" in found}
    composite = named_test(of_table, "unique").get("arguments", {}).get("column_name", "")
    assert (alone, re.findall(r"cast\((\w+) as text\)", composite)) == (
        (set(table.key), []) if len(table.key) == 1 else (set(), list(table.key))
    )
    not_null = {column for column, found in tests.items() if "not_null" in found}
    assert not_null == {one.name for one in table.columns if not one.nullable}
    by_id = named_test(tests.get("submission_id", []), "relationships").get("arguments")
    by_key = named_test(of_table, "relationships").get("arguments", {})
    if name not in BELONGS:
        assert (by_id, by_key) == (None, {})
        return
    parent = load_contract()[BELONGS[name][1]]
    expected = {"table": parent.name, "columns": list(parent.key)}
    assert described["config"]["meta"]["belongs_to"] == expected
    if len(parent.key) == 1:
        assert by_id == {"to": f"source('argos', '{parent.name}')", "field": "submission_id"}
    else:
        assert by_key["to"] == f"source('argos', '{parent.name}')"
        assert by_key["column_name"] == by_key["field"]


def test_dbt_warns_of_values_that_the_api_may_add() -> None:
    """A value that argos-sync writes itself, and does not know, is an error."""
    severities = {}
    for described in dbt_source()["tables"]:
        for column in described["columns"]:
            if found := named_test(column.get("data_tests", []), "accepted_values"):
                name = (described["name"], column["name"])
                severities[name] = found.get("config", {}).get("severity", "error")
                known = load_contract()[name[0]].columns_by_name[name[1]].known
                assert found["arguments"] == {"values": list(known)}
    from_api = {
        (table.name, column.name)
        for table in load_contract().api_tables
        for column in table.columns
        if column.known
    }
    assert {name for name, severity in severities.items() if severity == "warn"} == from_api
    assert severities["sync_runs", "completeness"] == "error"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published copy, and beside it the dbt sources that fit it."""
    folder = tmp_path_factory.mktemp("copy")
    copy = folder / "analysts.duckdb"
    shutil.copy(make_year() / COPY, copy)
    write_copy_sources(copy, "argos", folder / "sources.yml")
    return copy


def test_a_copy_has_dbt_sources_that_fit_it(copy: Path) -> None:
    """They have its tables, views and columns, and its name."""
    source = dbt_source(copy.with_name("sources.yml"))
    assert source["database"] == "{{ var('argos_database', 'analysts') }}"
    described = {
        table["name"]: {column["name"] for column in table["columns"]} for table in source["tables"]
    }
    existing = columns(copy_of(copy), ("BASE TABLE", "VIEW"))
    assert described == {name: set(names) for name, names in existing.items()}
    assert "quarantine" not in described
    assert "email" not in described["applicants"]


def test_dbt_sources_replace_only_dbt_sources(copy: Path, tmp_path: Path) -> None:
    """An earlier file is replaced; one of somebody else stays."""
    mine = tmp_path / "mine.yml"
    mine.write_text("version: 2\n")
    with pytest.raises(ConfigurationError, match="stays as it is"):
        write_copy_sources(copy, "argos", mine)
    assert mine.read_text() == "version: 2\n"
    written = copy.with_name("sources.yml").read_text()
    earlier = tmp_path / "earlier.yml"
    earlier.write_text(f"{written}# changed\n")
    assert write_copy_sources(copy, "argos", earlier) == earlier
    assert earlier.read_text() == written
