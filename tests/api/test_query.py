"""Parameters, page keys and the validation of queries."""

from datetime import date
from typing import Any

import pytest

from argos_sync.api.errors import ConfigurationError
from argos_sync.api.page_key import PageKey
from argos_sync.api.query import PARAMETER_NAMES, Page, Query, request_parameters


def test_filters_have_the_names_of_the_api() -> None:
    """All filters, the count and the page key have the documented names."""
    query = Query(
        userid="u",
        email="a@b.test",
        start_date=date(2026, 1, 5),
        end_date=date(2026, 2, 6),
        request_type="kyc",
    )
    assert request_parameters(query, count=7, key=PageKey("s9", "2026-01-05-09-00-00-123")) == {
        "userid": "u",
        "email": "a@b.test",
        "start_date": "2026-01-05",
        "end_date": "2026-02-06",
        "count": 7,
        "request_type": "kyc",
        "nextpage_id": "s9",
        "nextpage_date": "2026-01-05-09-00-00-123",
    }


def test_empty_query_sends_only_the_count() -> None:
    """Filters that are not set are left out."""
    assert request_parameters(Query(), count=50, key=None) == {"count": 50}


def test_single_submission_sends_no_other_filter() -> None:
    """A submission id is sent with the section only, which limits personal data."""
    query = Query("s1", userid="u", email="e", start_date=date(2026, 1, 1), request_type="others")
    sent = request_parameters(query, count=50, key=None)
    assert sent == {"submission_id": "s1", "request_type": "others"}


def test_parameter_names_are_those_of_requests() -> None:
    """Error messages may name exactly the parameters that requests can send."""
    every = Query(userid="u", email="e", start_date=date.min, end_date=date.max, request_type="aml")
    sent = request_parameters(every, count=1, key=PageKey(1, 2)).keys()
    assert sent | {"submission_id"} == PARAMETER_NAMES


@pytest.mark.parametrize("name", ["submission_id", "userid", "email"])
@pytest.mark.parametrize("value", ["", "broken \ud800 text", "x" * 1025])
def test_invalid_text_is_refused(name: str, value: str) -> None:
    """An empty filter would select everyone, and broken text cannot be sent."""
    with pytest.raises(ConfigurationError) as caught:
        Query(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"the filter {name} is empty, not valid Unicode, or too long; "
        f"set {name} to a text of 1 to 1024 characters, or leave it out"
    )


def test_unknown_section_is_refused() -> None:
    """An unknown section is refused with the valid ones."""
    with pytest.raises(ConfigurationError, match="'all'; use one of kyc, aml, data, others"):
        Query(request_type="all")


def test_reversed_range_is_refused() -> None:
    """A range that ends before it starts would quietly return nothing."""
    with pytest.raises(ConfigurationError, match="ends on 2026-01-01, before"):
        Query(start_date=date(2026, 1, 2), end_date=date(2026, 1, 1))


def test_one_day_range_is_valid() -> None:
    """A range may start and end on the same day."""
    day = date(2026, 1, 2)
    sent = request_parameters(Query(start_date=day, end_date=day), count=1, key=None)
    assert (sent["start_date"], sent["end_date"]) == ("2026-01-02", "2026-01-02")


def test_repr_hides_personal_values() -> None:
    """The repr of a query, which may be logged, shows no user id or email address."""
    shown = repr(Query(userid="user-17", email="ann@mail.test"))
    assert "user-17" not in shown
    assert "ann@mail.test" not in shown


@pytest.mark.parametrize("key", [PageKey("a", "b"), PageKey(17, 1767603600.5)])
def test_page_key_round_trip(key: PageKey) -> None:
    """A key survives its JSON form, types included, and has the same hash."""
    back = PageKey.from_json(key.to_json())
    assert back == key
    assert type(back.id) is type(key.id)
    assert hash(back) == hash(key)


@pytest.mark.parametrize(
    "value",
    [
        17,
        None,
        ["a", "b"],
        {"id": None, "created_at": None},
        {"id": "", "created_at": ""},
        {"id": 2**64, "created_at": "b"},
        {"id": "a", "created_at": float("inf")},
        {"id": "\ud800", "created_at": "b"},
    ],
)
def test_malformed_page_key_is_refused(value: Any) -> None:
    """A key that cannot be sent back is refused."""
    with pytest.raises(ValueError, match="a page key must be an object or a text"):
        PageKey.from_json(value)


def test_page_does_not_copy_items() -> None:
    """A page does not copy its list."""
    items = [{"submission_id": "s"}]
    assert Page(items, None).items is items
