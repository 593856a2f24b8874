"""Projections and partial deletions: submissions that lack some of their fields."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

_PROJECTIONS = {
    "names_only": (
        "data.date_of_birth", "data.identityNumber", "data.documentNumber", "data.ip_address",
        "data.address_formatted", "data.address_input", "image", "ocr", "OCR_raw",
    ),
    "without_contact": ("email", "data.phoneNumber", "data.ip_address", "data.address_detail"),
    "without_matches": ("aml.matches", "aml.raw_data", "kyc.attempts.*.selfieImage"),
}  # fmt: skip
"""The fields that each projection hides."""


def project(submissions: Iterable[Any], share: float, seed: int) -> Iterator[Any]:
    """Yield submissions, changed in place: a `share` of them lacks the fields of a projection."""
    # A sequence of its own, so that all other values are the same with and without projections.
    rng = random.Random(f"projections {seed}")  # noqa: S311 synthetic data, not secrets
    for submission in submissions:
        if rng.random() < share:
            name, hidden = rng.choice(list(_PROJECTIONS.items()))
            for path in hidden:
                remove_field(submission, path)
            submission["projection"] = {
                "projectionId": f"projection-{name}",
                "projectionName": name,
            }
        yield submission


def remove_field(value: Any, path: str) -> None:
    """Remove the field at a path such as `kyc.attempts.*.selfieImage`, if there is one.

    A step `*` stands for every item of a list.
    """
    step, _, rest = path.partition(".")
    if step == "*" and isinstance(value, list):
        for item in value:
            remove_field(item, rest)
    elif isinstance(value, dict) and rest:
        remove_field(value.get(step), rest)
    elif isinstance(value, dict):
        value.pop(step, None)
