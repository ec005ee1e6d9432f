"""The one clock durations are taken from, and the one place wall time is read.

`CLOCK_MONOTONIC` is shared by all processes of a host, so stamps of workers, encoder and observer on one host may be
subtracted; stamps of two hosts never are. Wall time is an anchor for people and for Prometheus, never a duration.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Clock = Callable[[], int]
"""Returns nanoseconds of a monotonic clock; injected where tests need to own time."""

monotonic_ns: Clock = time.monotonic_ns
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def utc_now() -> datetime:
    """Wall time with zone, for anchors and names only."""
    return datetime.now(tz=UTC)


def clock_domain() -> str:
    """Names the host whose monotonic clock this process reads, and says nothing else about it. Stamps of different
    domains are never subtracted.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    text = boot.read_text() if boot.exists() else socket.gethostname()
    return hashlib.sha256(text.encode()).hexdigest()[:12]
