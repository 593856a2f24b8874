"""The suite is complete: each promise has a test, and each destination runs it somewhere."""

import re
from pathlib import Path

from argos_sync.load.destinations.promises import MEANINGS, Promise
from argos_sync.load.destinations.support import ACCEPTED
from promises.places import KINDS

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WEEKLY = (ROOT / ".github" / "workflows" / "newest.yml").read_text(encoding="utf-8")


def test_every_promise_has_a_test() -> None:
    """One, of the same name, that takes the place of a destination."""
    files = [file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py")]
    tested = re.findall(r"^def test_(\w+)\(\s*place: Place", "\n".join(files), re.MULTILINE)
    assert sorted(tested) == sorted(Promise)
    assert [*MEANINGS] == [*Promise]


def test_the_suite_runs_where_the_documentation_says() -> None:
    """On every supported destination, which keep every promise, and on some that are tried."""
    assert {name for name, one in ACCEPTED.items() if one.suite} == KINDS.keys()
    supported = [one for one in ACCEPTED.values() if one.status == "supported"]
    assert all(one.suite and not one.broken for one in supported)


def test_every_kind_is_run_by_make_check_or_weekly() -> None:
    """A driver that is not installed here is no way to skip the suite."""
    (check,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    for name, kind in KINDS.items():
        assert re.search(rf"^{kind.target}:", MAKEFILE, re.MULTILINE), name
        assert re.search(rf"\b{kind.target}\b", check + WEEKLY), name
        assert kind.is_installed or kind.target != "rest", name
