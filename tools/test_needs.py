"""Gets what the live tests need and a package client can bring: a headless Chromium, every ledger, Prometheus.

Ledgers say what they fetch and how long that takes before they start; those written in Go are built here once, some
minutes each on two cores, and are kept in the cache.

Run by `make test`. Without root, or without apt, it says what is missing and lets the tests decide: they skip, or fail
where BENCH_LIVE=required.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from bench import registry
from bench.model.errors import BenchError
from bench.telemetry.packages import install

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Install what is absent; never fails by itself."""
    if not (os.environ.get("BENCH_CHROMIUM") or any(shutil.which(name) for name in BROWSERS)):
        _browser()
    for ledger in registry.names("ledgers"):  # one by one, so that one that fails keeps none of the others away
        done = subprocess.run([sys.executable, "bench.py", "ledgers", "install", ledger], check=False)
        if done.returncode:
            _say(f"{ledger} is not installed; tests that need it cannot run")
    for program in ("prometheus", "alertmanager"):
        try:
            install(program, _say)
        except BenchError as error:
            _say(f"{error}\n  tests that need {program} cannot run")


def _browser() -> None:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        _say("no Chromium found: install one, or name it in BENCH_CHROMIUM, for the browser tests")
        return
    _say("installing Chromium with apt-get for the browser tests (once, some 300 MB)")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            _say(f"{' '.join(command)} failed with code {done.returncode}")
            return


def _say(text: str) -> None:
    sys.stdout.write(f"test needs: {text}\n")


if __name__ == "__main__":
    main()
