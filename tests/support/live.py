"""What a live test does when the machine lacks something: skip on a laptop, fail where live tests are required.

`BENCH_LIVE=required` is set in continuous integration, so that a missing program cannot turn a test off unnoticed.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """End the test because `what` is not here; say how to get it in `what`."""
    if os.environ.get("BENCH_LIVE") == "required":
        pytest.fail(f"BENCH_LIVE=required, and missing: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")
