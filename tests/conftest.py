"""Locust patches the process on import; tests of the load room must not, or every other test would run patched."""

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"

from hypothesis import settings

settings.register_profile("shared-machine", deadline=None)  # a slow moment of the machine is no failure
settings.load_profile("shared-machine")
