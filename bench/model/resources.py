"""What a monitor saw of one process at one time; the row of `resources.parquet`."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = -1
"""Stands for a number the system would not tell."""


@dataclass(frozen=True, slots=True)
class ResourceSample:
    """`role` is "harness", "ledger" or "host" (then `pid` is -1). `at_ns` counts from the start signal.

    `cpu_percent` is of one core, over the time since the process's previous sample. `cpu_s`, `read_bytes` and
    `write_bytes` are totals since the process began (storage, not page cache), so differences of them are exact.
    """

    process: str
    role: str
    pid: int
    at_ns: int
    phase: str
    cpu_percent: float
    cpu_s: float
    rss_bytes: int
    read_bytes: int
    write_bytes: int
    threads: int
    fds: int
