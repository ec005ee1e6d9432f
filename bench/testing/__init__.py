"""What plug-in authors test with: subclass `AdapterContract` and give it a ledger. Needs pytest."""

import pytest

pytest.register_assert_rewrite(  # so that a broken promise shows its values
    "bench.testing.basis",
    "bench.testing.commits_promises",
    "bench.testing.follower",
    "bench.testing.preparing_promises",
    "bench.testing.submitting_promises",
)

from bench.testing.contract import AdapterContract  # noqa: E402 - after the registration
from bench.testing.follower import Follower  # noqa: E402 - after the registration
from bench.testing.stage import Stage  # noqa: E402 - after the registration

__all__ = ["AdapterContract", "Follower", "Stage"]
