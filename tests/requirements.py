"""What tests need besides Python: without it they are skipped, and fail in CI."""

import os
from typing import NoReturn

import pytest


def report_missing(what: str) -> NoReturn:
    """Skip the test; fail it in CI, where nothing may be missing.

    Args:
        what: One line for the reason of the skip or the failure.
    """
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
