"""Find submissions by identifiers, in one pass over a column for all of a kind."""

from collections.abc import Callable, Mapping

from argos_sync.load.read_only import open_read_only
from argos_sync.shape.privacy import PrivacyPolicy
from argos_sync.warehouse.identifiers import find_listed, find_submissions
from support import Rows, Warehouse

PLAIN = PrivacyPolicy.plain()


def test_each_identifier_has_its_submissions(
    synced_warehouse: Warehouse, synced_submissions: Rows
) -> None:
    """Every one is found, whatever its spelling; one that nobody has finds nothing."""
    first, second = synced_submissions[1], synced_submissions[5]
    wanted = [
        ("email", " PERSON@example.ORG"),
        ("email", second["email"]),
        ("email", "nobody@example.org"),
        ("userid", "u-1"),
        ("userid", "U-1"),
        ("submission_id", "never-seen"),
    ]
    with open_read_only(synced_warehouse.target) as warehouse:
        found = find_submissions(warehouse.client, PLAIN, wanted)
    ids = [{first["submission_id"]}, {second["submission_id"]}, set(), {first["submission_id"]}]
    assert list(found.values()) == [*ids, set(), {"never-seen"}]
    assert list(found) == wanted


def listed(kind: str, value: str) -> Callable[[Mapping[str, str]], bool]:
    """Return a suppression list of one person."""
    return lambda item: item.get(kind) == value


def test_listed_people(synced_warehouse: Warehouse, synced_submissions: Rows) -> None:
    """They are found by each kind of identifier; without a list there is nobody."""
    person = synced_submissions[1]
    with open_read_only(synced_warehouse.target) as warehouse:
        for kind in ("submission_id", "userid", "email"):
            ids = find_listed(warehouse.client, PLAIN, listed(kind, person[kind]))
            assert ids == [person["submission_id"]]
        assert find_listed(warehouse.client, PLAIN, lambda _: False) == []
