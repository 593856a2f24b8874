"""`suppressions` writes the list of one warehouse and adds it to another, and names nobody."""

from pathlib import Path

import pytest

from cli.command import CommandInProcess
from support import Warehouse

PERSON = "person@example.org"


@pytest.mark.slow
def test_export_and_import(synced_warehouse: Warehouse) -> None:
    """The output names the files and the keys, and says when a key has to travel, too."""
    folder = Path(str(synced_warehouse.target.file)).parent
    command = CommandInProcess(folder, private={PERSON, "u-1"})
    assert command("suppressions", "export", "list.json").stdout == (
        f"{folder}/list.json: 0 entries of the suppression list\n"
    )
    command("forget", "--email", PERSON, "--yes")
    text = command("suppressions", "export", "list.json").stdout
    lines = text.splitlines()
    assert lines[0].startswith(f"{folder}/list.json: 2 entries of the suppression list, made with")
    assert lines[1:] == ["note: another warehouse needs that key too: export it with --key-file"]
    summary = command.json("suppressions", "export", "list.json", "--key-file", "key.json")
    (key,) = summary.pop("own_keys")
    assert f"the warehouse's own key {key}" in text
    assert summary == {
        "file": f"{folder}/list.json",
        "entries": 2,
        "privacy_keys": [],
        "key_file": "key.json",
    }
    other = ("--dataset", "other", "--key-file", "key.json")
    added = command("suppressions", "import", "list.json", *other).stdout
    assert added == "suppressions: 2 entries added to the suppression list, 0 were on it\n"
    assert command.json("suppressions", "import", "list.json")["present"] == 2
