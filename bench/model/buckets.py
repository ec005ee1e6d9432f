"""Upper bounds of the live histograms, in ns: geometric, so that a percentile read from them has a known error.

What a report says never comes from these: it comes from every single row.
"""

from __future__ import annotations

BUCKET_FACTOR = 1.35
LATENCY_BUCKETS_NS = tuple(int(10_000_000 * BUCKET_FACTOR**step) for step in range(32))
"""10 ms … 110 s, factor 1.35: fine enough that a bucket's p99 stays within a third of the truth."""

LAG_FACTOR = 1.5
LAG_BUCKETS_NS = tuple(int(100_000 * LAG_FACTOR**step) for step in range(30))
"""0.1 ms … 12.8 s: how late the harness itself is."""
