"""Locust patches the process on import; tests of the load room must not, or every other test would run patched."""

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
