"""What dlt says of type hints, worked out once.

dlt asks again for every setting it looks up and every column it checks (its `validate_dict` says
so of itself, 1.31): a sixth of what small loads take, and tests make thousands of them. The
answers depend on the hints alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.providers import environ

_ASKED = (
    (environ, "is_secret_hint"),
    (resolve, "is_secret_hint"),
    (resolve, "extract_inner_hint"),
    (validation, "get_type_hints"),
)


def work_out_once() -> None:
    """Let dlt remember what it has worked out; for the whole process."""
    for module, name in _ASKED:
        setattr(module, name, _once(getattr(module, name)))


def _once(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a memory; dictionaries among its arguments are namespaces."""
    answers: dict[Any, Any] = {}

    @wraps(ask)
    def asked(*given: Any, **named: Any) -> Any:
        options = sorted(
            (key, id(one) if isinstance(one, dict) else one) for key, one in named.items()
        )
        question = (*given, *options)
        try:
            return answers[question]
        except KeyError:
            return answers.setdefault(question, ask(*given, **named))
        except TypeError:  # a hint that has no hash
            return ask(*given, **named)

    return asked
