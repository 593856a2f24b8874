"""The documents of `make schema` are up to date and complete."""

import re
from typing import Any

import pytest
import yaml

from argos_sync.dictionary import render_documents
from argos_sync.shape.contract import CHECKS, load_contract, schemas_folder
from argos_sync.warehouse.views import load_views

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


def dbt_source() -> dict[str, Any]:
    """Return the dbt source."""
    document = yaml.safe_load(committed("dbt/sources.yml"))
    assert (set(document), document["version"]) == ({"version", "sources"}, 2)
    (source,) = document["sources"]
    assert set(source) == {"name", "description", "schema", "loader", "tables"}
    return dict(source)


def test_the_dbt_source_is_the_contract() -> None:
    """Tables and columns have their descriptions, in the format of dbt 1.10.5."""
    contract = load_contract()
    source = dbt_source()
    assert source["name"] == "argos"
    assert [table["name"] for table in source["tables"]] == list(contract.tables)
    for described in source["tables"]:
        table = contract[described["name"]]
        assert set(described) == {"name", "description", "config", "columns"}
        assert described["description"] == table.description
        assert described["config"]["meta"]["primary_key"] == list(table.key)
        columns = [one for one in described["columns"] if one["name"] != "_dlt_id"]
        assert [(one["name"], one["description"]) for one in columns] == [
            (one.name, one.meaning) for one in table.columns
        ]
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


def test_dbt_tests_keys_and_references() -> None:
    """The dbt tests cover unique keys, columns that are not null, and parents.

    Tables that dlt does not load have no `_dlt_id`.
    """
    contract = load_contract()
    for described in dbt_source()["tables"]:
        table = contract[described["name"]]
        tests = {one["name"]: one.get("data_tests", []) for one in described["columns"]}
        alone = table.key if len(table.key) == 1 else (("_dlt_id",) if "_dlt_id" in tests else ())
        assert alone or table.name == CHECKS
        assert tuple(name for name, found in tests.items() if "unique" in found) == alone
        not_null = {name for name, found in tests.items() if "not_null" in found}
        assert not_null == {one.name for one in table.columns if not one.nullable} | set(alone)
        related = [
            one["relationships"]["arguments"]
            for one in tests.get("submission_id", [])
            if isinstance(one, dict)
        ]
        to_submissions = {"to": "source('argos', 'submissions')", "field": "submission_id"}
        assert related == ([to_submissions] if table.name in BELONGS else [])
        if table.name in BELONGS:
            parent = contract[BELONGS[table.name][1]]
            expected = {"table": parent.name, "columns": list(parent.key)}
            assert described["config"]["meta"]["belongs_to"] == expected
