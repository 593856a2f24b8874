"""Versions of a folder: a reader sees one of them whole, and old ones go."""

import fcntl
from pathlib import Path

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.load.errors import DestinationError
from argos_sync.load.versioned_folder import open_versions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that does not exist yet."""
    return tmp_path / "published"


def write(folder: Path, text: str, *, keep_previous: bool = True, mode: int = 0o644) -> Path:
    """Write a version with one file, and return its folder."""
    with (
        open_versions(folder) as versions,
        versions.new_version(mode, keep_previous=keep_previous) as (new, version),
    ):
        (new / "file").write_text(text)
        assert not version.exists()
    return version


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {path.name for path in folder.iterdir()}


def test_the_pointer_names_the_newest_version(folder: Path) -> None:
    """One version before it stays for those who have resolved the pointer, and older ones go."""
    for number, text in enumerate("abcd", start=1):
        assert write(folder, text) == folder / f"v{number}"
        assert (folder / "latest" / "file").read_text() == text
    assert names(folder) == {".argos-sync", "latest", "v3", "v4"}
    assert (folder / "v3" / "file").read_text() == "c"
    write(folder, "e", keep_previous=False)
    assert names(folder) == {".argos-sync", "latest", "v5"}


def test_a_failure_changes_nothing(folder: Path) -> None:
    """What was written so far is removed."""
    write(folder, "a")
    with pytest.raises(UnicodeEncodeError):
        write(folder, "half of it, and then \ud800")
    assert names(folder) == {".argos-sync", "latest", "v1"}
    assert (folder / "latest" / "file").read_text() == "a"


def test_what_a_killed_publish_left_is_removed(folder: Path) -> None:
    """A version that no pointer names has never been read; its number is not used again."""
    write(folder, "a")
    (folder / "v2").mkdir()
    (folder / ".argos-publish-dead" / "version").mkdir(parents=True)
    assert write(folder, "c") == folder / "v3"
    assert names(folder) == {".argos-sync", "latest", "v1", "v3"}


def test_without_symbolic_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file names the newest version instead."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for number in (1, 2, 3):
        version = write(folder, str(number))
        assert (folder / "_latest").read_text() == f"{version.name}\n"
    assert names(folder) == {".argos-sync", "_latest", "v2", "v3"}
    assert (folder / "_latest").stat().st_mode & 0o777 == 0o644


def test_permissions(folder: Path) -> None:
    """Whoever may read the files may list them."""
    for mode, listing in ((0o644, 0o755), (0o640, 0o750), (0o600, 0o700)):
        version = write(folder, "a", mode=mode)
        assert version.stat().st_mode & 0o777 == listing
        assert (version / "file").stat().st_mode & 0o777 == mode


def test_one_publish_at_a_time(folder: Path) -> None:
    """A second one stops before it does anything."""
    write(folder, "a")
    with (folder / ".argos-sync").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DestinationError, match="another publish is writing to"):
            write(folder, "b")
    assert write(folder, "b") == folder / "v2"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("foreign", "neither empty nor a folder that argos-sync has published into"),
        ("foreign/notes.txt", "notes.txt is a file; name a folder"),
        ("nowhere/published", "there is no folder .*/nowhere"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, path: str, message: str) -> None:
    """They stay as they are."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=message):
        write(tmp_path / path, "a")
    assert [*tmp_path.rglob("*")] == [tmp_path / "foreign", tmp_path / "foreign" / "notes.txt"]
