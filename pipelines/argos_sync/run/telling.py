"""Tells the configured webhook what somebody should know; whether it listens changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from argos_sync.api.errors import ArgosError
from argos_sync.api.webhook import post_text, validate_webhook_url
from argos_sync.config import webhook_url

log = logging.getLogger("argos_sync")


def notify(command: str, dataset: str, said: str) -> None:
    """Tell the webhook, if there is one; what goes wrong is a line in the log.

    Args:
        command: Which one it is about.
        dataset: Where that loads to.
        said: Without keys and anybody's data.
    """
    try:
        value = webhook_url()
        if not value:
            return
        text = f"argos-sync {command} (dataset {dataset}): {said}"
        problem = post_text(validate_webhook_url(value), text)
    except ArgosError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 any: how a run ends does not depend on it
        problem = type(error).__name__
    if problem:
        log.warning("the webhook was not told: %s", problem)


@contextmanager
def notify_failure(command: str, dataset: str) -> Iterator[None]:
    """Tell how the block fails, if it does.

    Args:
        command: What the block does.
        dataset: Where it loads to.
    """
    try:
        yield
    except ArgosError as error:
        notify(command, dataset, f"exit {error.exit_code}: {error}")
        raise
    except Exception as error:
        # The texts of foreign errors quote values.
        notify(command, dataset, f"exit 1: unexpected {type(error).__name__}")
        raise
