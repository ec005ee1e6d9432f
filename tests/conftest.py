"""Locust patches the process on import; tests of the load room must not, or every other test would run patched."""

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
# A check of the machine's headroom before each run would take longer than the runs; tests that are about it turn it on.
os.environ["BENCH_CALIBRATION"] = "off"

from hypothesis import Phase, settings

settings.register_profile("shared-machine", deadline=None)  # a slow moment of the machine is no failure
settings.load_profile("shared-machine")
# For the mutation check: the same examples each time, and the first failure is enough.
settings.register_profile(
    "mutation", deadline=None, database=None, derandomize=True, max_examples=50, phases=[Phase.explicit, Phase.generate]
)
