"""Locust's own statistics as a view on our record: filled once a second from buckets, never per request.

It keeps Locust's web UI and console table alive under plain `locust -f`. What Locust shows as response time is finality
latency from the intended time (reads: answer latency), rounded to our bucket bounds. The record is ours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from bench.model.buckets import LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_MS
from bench.model.counters import Counters
from bench.model.transaction import ErrorClass

METHOD = "LEDGER"
_BOUNDS_MS = tuple(round(bound / NS_PER_MS) for bound in (*LATENCY_BUCKETS_NS, LATENCY_BUCKETS_NS[-1]))


class LocustView:
    """Adds the difference since the last update to Locust's `RequestStats`."""

    def __init__(self, stats: Any, operations: Sequence[str]) -> None:
        self._stats = stats
        self._operations = operations
        self._errors: dict[int, int] = {}
        self._shown = [[0] * len(_BOUNDS_MS) for _ in operations]

    def update(self, counters: Counters) -> None:
        """Fold in what happened since the last call."""
        second = int(time.time())  # Locust keys its per-second counts by wall time
        for code, (writes, reads) in enumerate(zip(counters.finality, counters.reads, strict=True)):
            counts = [write + read for write, read in zip(writes.counts, reads.counts, strict=True)]
            fresh = [count - before for count, before in zip(counts, self._shown[code], strict=True)]
            self._shown[code] = counts
            if any(fresh):
                for entry in (self._stats.get(self._operations[code], METHOD), self._stats.total):
                    _fold(entry, fresh, second)
        for code, count in counters.errors.items():
            new = count - self._errors.get(code, 0)
            self._errors[code] = count
            if new > 0:  # a block that left the chain takes its failures back
                self._fail(ErrorClass(code), new, second)

    def _fail(self, error_class: ErrorClass, count: int, second: int) -> None:
        for entry in (self._stats.get(error_class.label, "ERROR"), self._stats.total):
            entry.num_failures += count
            entry.num_requests += count
            entry.num_fail_per_sec[second] += count
            entry.num_reqs_per_sec[second] += count
            entry.num_none_requests += count
            entry.last_request_timestamp = time.time()


def _fold(entry: Any, buckets: Sequence[int], second: int) -> None:
    for bound, count in zip(_BOUNDS_MS, buckets, strict=True):
        if not count:
            continue
        entry.num_requests += count
        entry.num_reqs_per_sec[second] += count
        entry.total_response_time += bound * count
        entry.min_response_time = bound if entry.min_response_time is None else min(bound, entry.min_response_time)
        entry.max_response_time = max(bound, entry.max_response_time)
        entry.response_times[bound] = entry.response_times.get(bound, 0) + count
    entry.last_request_timestamp = time.time()
