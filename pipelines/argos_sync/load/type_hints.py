"""What dlt finds out about type hints, found out once.

dlt asks again for every setting it looks up and every column it checks (1.31; `validate_dict` says
so of itself), which takes a sixth of the time of a small load. The answers depend on nothing but
the hints.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ

_ASKED: tuple[tuple[Any, str], ...] = (
    (environ, "is_secret_hint"),
    (resolve, "is_secret_hint"),
    (resolve, "extract_inner_hint"),
    (validation, "get_type_hints"),
)


@cache
def remember_type_hints() -> None:
    """Let dlt remember, in the whole process, what it has found out about type hints."""
    for module, name in _ASKED:
        setattr(module, name, _once(getattr(module, name)))


def _once(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a memory; a dictionary among its arguments is a namespace."""
    answers: dict[Any, Any] = {}

    @wraps(ask)
    def asked(*given: Any, **named: Any) -> Any:
        options = [(key, id(one) if isinstance(one, dict) else one) for key, one in named.items()]
        question = (*given, *options)
        try:
            return answers[question]
        except KeyError:
            return answers.setdefault(question, ask(*given, **named))
        except TypeError:  # a hint that has no hash
            return ask(*given, **named)

    return asked
