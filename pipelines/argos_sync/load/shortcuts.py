"""Shorter ways to what dlt does over and over in a load, however small: much of its time.

dlt asks about the same type hints for every setting it looks up and every column it checks
(1.31; `validate_dict` says so of itself), copies the schemas of tables hundreds of times with a
function that is made for anything, and resolves a configuration to find what it was given. What
comes of it is the same, and depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache, wraps
from typing import Any

from dlt.common import validation
from dlt.common.configuration import resolve
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import environ
from dlt.common.destination import DestinationCapabilitiesContext, client, utils
from dlt.common.normalizers.json import helpers
from dlt.common.schema import utils as schemas
from dlt.destinations import sql_jobs

_ASKED: tuple[tuple[Any, str], ...] = (
    (environ, "is_secret_hint"),
    (resolve, "is_secret_hint"),
    (resolve, "extract_inner_hint"),
    (validation, "get_type_hints"),
)
_GIVEN: tuple[tuple[Any, str], ...] = (
    (client, "prepare_load_table"),
    (utils, "prepare_load_table"),
    (helpers, "resolve_merge_strategy"),
    (sql_jobs, "resolve_merge_strategy"),
)
_ATOMS = frozenset({str, int, float, bool, type(None)})


@cache
def take_shortcuts() -> None:
    """Let dlt take them, in the whole process."""
    for module, name in _ASKED:
        setattr(module, name, _once(getattr(module, name)))
    for module, name in _GIVEN:
        setattr(module, name, _as_given(getattr(module, name)))
    schemas.deepcopy = _copied  # type: ignore[assignment,attr-defined] # dlt imports it there


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


def _as_given(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that dlt gives the capabilities of a destination, without its detour.

    They are an argument, or in dlt's container. Where they are in neither dlt makes them.
    """
    plain: Callable[..., Any] = ask.__wrapped__  # type: ignore[attr-defined] # by `with_config`

    @wraps(ask)
    def asked(tables: Any, table: Any, capabilities: Any = None) -> Any:
        if capabilities is None:
            container = Container()
            if DestinationCapabilitiesContext not in container:
                return ask(tables, table)
            capabilities = container[DestinationCapabilitiesContext]
        return plain(tables, table, capabilities)

    return asked


def _copied(value: Any) -> Any:
    """Return a copy of a part of a schema, which is made of what JSON has."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is list:
        return [_copied(one) for one in value]
    if isinstance(value, dict):
        copied = {key: _copied(one) for key, one in value.items()}
        return copied if kind is dict else kind(copied)
    return deepcopy(value)
