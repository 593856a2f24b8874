"""What SECURITY.md and the audit say is so."""

import re
from email.message import Message
from pathlib import Path

import pytest

from licences import is_allowed, licence_of, main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
SHOWN = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)))


@pytest.mark.parametrize(("file", "name"), SHOWN)
def test_what_shows_it_exists(file: str, name: str) -> None:
    """Every test that the threat model names is there, under that name."""
    source = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name or 'test_'}", source, re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    """A row without a test would be a wish."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 5
    assert [row for row in rows if "`tests/" not in row.rsplit("|", 2)[1]] == []


def test_readers_find_it() -> None:
    """The README links to it."""
    assert "(SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_licences(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever uv.lock pins may be depended on."""
    assert main() == 0
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["dlt"] == "Apache-2.0"
    assert printed["orjson"] == "MPL-2.0 AND (Apache-2.0 OR MIT)"


@pytest.mark.parametrize(
    ("field", "value", "licence", "allowed"),
    [
        ("License-Expression", "MIT OR Apache-2.0", "MIT OR Apache-2.0", True),
        ("License-Expression", "MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only", False),
        ("Classifier", "License :: OSI Approved :: MIT License", "MIT", True),
        ("Classifier", "License :: OSI Approved :: GPL", "GPL", False),
        ("License", "BSD-3-Clause", "BSD-3-Clause", True),
        ("Name", "silent", "none stated", False),
    ],
)
def test_licences_that_are_not_allowed(
    field: str, value: str, licence: str, *, allowed: bool
) -> None:
    """A licence nobody has looked at, or none at all, stops the audit."""
    package = Message()
    package[field] = value
    assert licence_of(package) == licence  # type: ignore[arg-type] # what metadata is made of
    assert is_allowed(licence) is allowed
