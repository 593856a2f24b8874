"""Run requests side by side."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def run_all(coroutines: Iterable[Coroutine[Any, Any, _Result]]) -> list[_Result]:
    """Return the results of coroutines that run at the same time, in their order.

    If one fails, all others are cancelled, and its exception is raised: `asyncio.gather` would let
    them send requests while the client is being closed.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
