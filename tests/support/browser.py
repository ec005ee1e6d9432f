"""A headless Chromium that opens files and addresses of this machine and tells what it saw, what it complained about
and what it asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.live import missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 60
_QUIET = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_BROWSER_ITSELF = "not an origin"


@dataclass(frozen=True)
class Visit:
    """What came back from one start of the browser: its output, and what the page logged."""

    output: bytes
    log: str

    def complaints(self) -> list[str]:
        """Lines of the log that the page caused: console messages and refused loads."""
        return [line for line in self.log.splitlines() if ":CONSOLE" in line or "Refused to" in line]


def find_browser() -> str:
    """Path of a browser: `BENCH_CHROMIUM`, else the first known name on PATH. Ends the test where there is none."""
    named = os.environ.get("BENCH_CHROMIUM")
    found = next((path for name in ((named,) if named else NAMES) if (path := shutil.which(name))), None)
    if found is None:
        missing(f"{named or 'a Chromium browser'} (install chromium, or set BENCH_CHROMIUM to its path)")
    return found


def dump_dom(page: Path | str, profile: Path, *flags: str) -> Visit:
    """The document after loading, as HTML text."""
    return _run(page, profile, ["--dump-dom", *flags])


def screenshot(page: Path | str, profile: Path, width: int, height: int, *flags: str) -> bytes:
    """The page as PNG bytes."""
    target = profile.with_suffix(".png")
    _run(page, profile, [f"--screenshot={target}", f"--window-size={width},{height}", *flags])
    return target.read_bytes()


def print_pdf(page: Path, profile: Path) -> bytes:
    """The page as it prints."""
    target = profile.with_suffix(".pdf")
    _run(page, profile, [f"--print-to-pdf={target}", "--no-pdf-header-footer"])
    return target.read_bytes()


def requested_addresses(page: Path | str, profile: Path, *flags: str) -> list[str]:
    """Addresses that the page asked for while it loaded, from the browser's own network log.

    Requests the browser makes for itself carry no origin, and reach nothing: no name resolves but the loopback's.
    """
    log = profile.with_suffix(".netlog.json")
    _run(page, profile, ["--dump-dom", f"--log-net-log={log}", *flags])
    asked = [event.get("params", {}) for event in json.loads(log.read_text("utf-8"))["events"]]
    own = [params for params in asked if params.get("initiator", _BROWSER_ITSELF) != _BROWSER_ITSELF]
    return [params["url"] for params in own if "url" in params]


def _run(page: Path | str, profile: Path, flags: Sequence[str]) -> Visit:
    address = page if isinstance(page, str) else page.resolve().as_uri()
    command = [find_browser(), *_QUIET, f"--user-data-dir={profile}", *flags, address]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True)
    return Visit(done.stdout, done.stderr.decode("utf-8", "replace"))
