"""Define queries and pages, and name their parameters as the API does.

Names and meanings of the parameters come from the vendor's page on `GET /v3/submission`.
"""

from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from argos_sync.api.errors import ConfigurationError
from argos_sync.api.page_key import MAX_TEXT_LENGTH, PageKey, Scalar, is_sendable

REQUEST_TYPES = ("kyc", "aml", "data", "others")
"""The sections of a submission that the API can return separately."""


@dataclass(frozen=True, slots=True)
class Query:
    """Select submissions; without filters, all submissions of the project.

    Attributes:
        submission_id: One submission. The API needs no other filter then, so none is sent.
        userid: All submissions with this user id.
        email: All submissions with this email address.
        start_date: First day of `created_at`.
        end_date: Last day of `created_at`. The vendor does not document whether it is included.
        request_type: One section only, of `REQUEST_TYPES`.

    Raises:
        ConfigurationError: A text is empty, too long or not Unicode, the section is unknown, or
            the date range ends before it starts. An empty filter would select all submissions.
    """

    submission_id: str | None = None
    userid: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    start_date: date | None = None
    end_date: date | None = None
    request_type: str | None = None

    def __post_init__(self) -> None:
        """Validate the filters; messages do not contain personal values."""
        for name in ("submission_id", "userid", "email"):
            value = getattr(self, name)
            if value is not None and not is_sendable(value):
                raise ConfigurationError(
                    f"the filter {name} is empty, not valid Unicode, or too long",
                    f"set {name} to a text of 1 to {MAX_TEXT_LENGTH} characters, or leave it out",
                )
        if self.request_type is not None and self.request_type not in REQUEST_TYPES:
            raise ConfigurationError(
                f"request_type is {self.request_type!r}",
                f"use one of {', '.join(REQUEST_TYPES)}, or leave it out for all sections",
            )
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ConfigurationError(
                f"the date range ends on {self.end_date}, before its start on {self.start_date}",
                "swap the two dates",
            )


PARAMETER_NAMES = frozenset(
    {*(one.name for one in fields(Query)), "count", "nextpage_id", "nextpage_date"}
)
"""All documented parameters; error messages name no others."""


@dataclass(frozen=True, slots=True)
class Page:
    """Hold the submissions of a page as decoded JSON.

    `next_key` is None on the last page; `size` is that of the response, in bytes.
    """

    items: list[Any]
    next_key: PageKey | None
    size: int = field(default=0, compare=False)


def request_parameters(query: Query, *, count: int, key: PageKey | None) -> dict[str, Scalar]:
    """Return the parameters of one request under the API's names.

    A request for a single submission has no other filter and no `count`. It keeps `request_type`,
    which selects sections and not rows: without it the API would return unwanted personal data.
    """
    named: dict[str, Scalar | None]
    if query.submission_id is not None:
        named = {"submission_id": query.submission_id}
    else:
        named = {
            "userid": query.userid,
            "email": query.email,
            "start_date": query.start_date.isoformat() if query.start_date else None,
            "end_date": query.end_date.isoformat() if query.end_date else None,
            "count": count,
        }
    named["request_type"] = query.request_type
    if key is not None:
        named |= {"nextpage_id": key.id, "nextpage_date": key.created_at}
    return {name: value for name, value in named.items() if value is not None}
