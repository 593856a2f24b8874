"""What can be asked for, and what comes back: values that know the API's own names.

Names and meanings of the parameters are those of the vendor's page on `GET /v3/submission`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from argos_sync.api.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import date

Scalar: TypeAlias = str | float
"""A JSON string or number, as it came."""

REQUEST_TYPES = ("kyc", "aml", "data", "others")
"""The sections of a submission that can be asked for one at a time."""

PARAMETER_NAMES = frozenset(
    {
        "submission_id",
        "userid",
        "email",
        "count",
        "nextpage_id",
        "nextpage_date",
        "start_date",
        "end_date",
        "request_type",
    }
)
"""Every parameter the API documents: the only names an error message may repeat."""

_MAX_TEXT_LENGTH = 1024  # Percent-encoded, two such texts still fit any URL a gateway accepts.


def _is_sendable(value: object) -> TypeGuard[Scalar]:
    """Whether `value` is a scalar that every request style carries unchanged."""
    if isinstance(value, int | float):
        # Beyond 64 bits, infinite or NaN, JSON would not bring it back as it was.
        return not isinstance(value, bool) and abs(value) < 2**63
    if not isinstance(value, str):
        return False
    # A lone surrogate, which JSON and command lines can hold, has no UTF-8 form.
    return 0 < len(value) <= _MAX_TEXT_LENGTH and not any("\ud800" <= c <= "\udfff" for c in value)


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of one walk; the empty query means every submission of the project.

    Attributes:
        submission_id: One submission. The API needs no other filter then, so none is sent.
        userid: All submissions of this user id.
        email: All submissions of this address.
        start_date: First day of `created_at`.
        end_date: Last day of `created_at`; whether it is included is not documented.
        request_type: One section only, of `kyc`, `aml`, `data`, `others`.

    Raises:
        ConfigurationError: A text is empty, too long or not Unicode, the section is unknown, or
            the range ends before it starts. An empty filter would silently ask for everybody.
    """

    submission_id: str | None = None
    userid: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    start_date: date | None = None
    end_date: date | None = None
    request_type: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked, without repeating anybody's value."""
        for name in ("submission_id", "userid", "email"):
            value = getattr(self, name)
            if value is not None and not _is_sendable(value):
                raise ConfigurationError(
                    f"the filter {name} is empty, not valid Unicode, or too long",
                    f"give {name} a text of 1 to {_MAX_TEXT_LENGTH} characters, or leave it out",
                )
        if self.request_type is not None and self.request_type not in REQUEST_TYPES:
            raise ConfigurationError(
                f"request_type is {self.request_type!r}",
                f"use one of {', '.join(REQUEST_TYPES)}, or leave it out for all sections",
            )
        if self.start_date and self.end_date and self.start_date > self.end_date:
            raise ConfigurationError(
                f"the range ends on {self.end_date}, before it starts on {self.start_date}",
                "swap the two days",
            )


@dataclass(frozen=True, slots=True)
class PageKey:
    """Where the next page starts: `nextpageKey` of the page before, to be sent back unchanged."""

    id: Scalar
    created_at: Scalar

    def to_json(self) -> dict[str, Scalar]:
        """Return the API's own form, fit for storing in state."""
        return {"id": self.id, "created_at": self.created_at}

    @classmethod
    def from_json(cls, value: Any) -> PageKey:
        """Read what `to_json` or the API wrote.

        Raises:
            ValueError: `value` is no object with a usable `id` and `created_at`.
        """
        if isinstance(value, dict):
            last_id, created_at = value.get("id"), value.get("created_at")
            if _is_sendable(last_id) and _is_sendable(created_at):
                return cls(last_id, created_at)
        raise ValueError("a page key is an object with the scalars id and created_at")


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the submissions as decoded JSON, and the key of the next page if there is one."""

    items: list[Any]
    next_key: PageKey | None


def request_parameters(query: Query, *, count: int, key: PageKey | None) -> dict[str, Scalar]:
    """Name one request's parameters as the API does.

    A single submission is asked for by its id alone, without even a `count`; `request_type` stays,
    since it chooses sections and not rows, and leaving it out would fetch unwanted personal data.

    Args:
        query: The filters of the walk.
        count: Rows per page.
        key: Where the page starts; None for the first.
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
