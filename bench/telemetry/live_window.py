"""From cumulative counts to rates, percentiles and CPU shares of the last seconds. Pure arithmetic on `Sample`s."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.model.buckets import LAG_BUCKETS_NS, LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.telemetry.live_sample import Sample

RATE_S = 5.0
"""Rates are means over so long: workers report every second and blocks come in steps, shorter ones only flicker."""
PERCENTILE_S = 10.0
CPU_S = 5.0
TREND_S = 30.0
"""What is kept: the longest look back."""


@dataclass(frozen=True, slots=True)
class Point:
    """One second. `at_s` is on the page's axis, `t_s` since the start signal of the trial. None: not known."""

    at_s: float
    t_s: float | None
    trial: int
    planned_per_s: float | None
    submitted_per_s: float | None
    accepted_per_s: float | None
    valid_per_s: float | None
    failed_per_s: float | None
    rejected_per_s: float | None
    dropped_per_s: float | None
    reads_per_s: float | None
    in_flight: int
    in_flight_bound: int
    submit_lag_ms_p99: float | None
    accept_ms_p50: float | None
    accept_ms_p95: float | None
    accept_ms_p99: float | None
    finality_ms_p50: float | None
    finality_ms_p95: float | None
    finality_ms_p99: float | None
    block_height: int | None
    block_age_s: float | None
    worker_cpu_percent: float | None
    observer_cpu_percent: float | None
    ledger_cpu_percent: float | None


class Window:
    """The last `TREND_S` of one trial, oldest first."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    @property
    def samples(self) -> Sequence[Sample]:
        """What is kept; empty before the first `add`."""
        return self._samples

    def add(self, sample: Sample) -> None:
        """The newest sample. One of another trial begins anew, with nothing to compare it to; so does the start signal,
        before which there was no load to take a mean over.
        """
        if self._samples and _when(self._samples[-1]) != _when(sample):
            self._samples.clear()
        self._samples.append(sample)
        while len(self._samples) > 2 and self._samples[1].at_ns <= sample.at_ns - TREND_S * NS_PER_S:
            self._samples.popleft()

    def past(self, seconds: float) -> Sample | None:
        """The newest sample that is at least `seconds` older than the last, else the oldest; None with only one."""
        last = self._samples[-1]
        for sample in reversed(self._samples):
            if sample.at_ns <= last.at_ns - seconds * NS_PER_S:
                return sample
        return self._samples[0] if len(self._samples) > 1 else None

    def gained(self, count: Callable[[Sample], int], seconds: float) -> int:
        """By how much a count rose."""
        before = self.past(seconds)
        return 0 if before is None else max(0, count(self._samples[-1]) - count(before))

    def per_s(self, count: Callable[[Sample], int], seconds: float = RATE_S) -> float | None:
        """Mean rate of a count."""
        before, last = self.past(seconds), self._samples[-1]
        if before is None:
            return None
        length_ns = last.at_ns - max(before.at_ns, last.start_ns or 0)  # the start is told a moment before it comes
        return round(max(0, count(last) - count(before)) * NS_PER_S / length_ns, 1) if length_ns > 0 else None

    def percentiles(
        self, buckets: Callable[[Sample], Sequence[int]], bounds_ns: Sequence[int], shares: Sequence[float]
    ) -> list[float | None]:
        """Of what was observed in the last `PERCENTILE_S`, in ms; all None when nothing was."""
        before, now = self.past(PERCENTILE_S), buckets(self._samples[-1])
        old = buckets(before) if before is not None else ()
        counts = [max(0, count - was) for count, was in zip(now, old, strict=True)] if old else list(now)
        found = [bucket_percentile(bounds_ns, counts, share) for share in shares]
        return [None if value is None else round(value / NS_PER_MS, 2) for value in found]

    def cpu_percent(self) -> dict[tuple[str, str], float]:
        """By (process, role), of one core. A process that was not there before is left out."""
        last = self._samples[-1]
        known = [sample for sample in self._samples if sample.cpu_s]
        before = next((one for one in reversed(known) if one.at_ns <= last.at_ns - CPU_S * NS_PER_S), None)
        before = before or (known[0] if known else last)
        if last.at_ns <= before.at_ns:
            return {}
        elapsed_s = (last.at_ns - before.at_ns) / NS_PER_S
        return {
            name: round(100 * max(0.0, used - before.cpu_s[name]) / elapsed_s, 1)
            for name, used in last.cpu_s.items()
            if name in before.cpu_s
        }

    def point(self, at_s: float) -> Point:
        """What the last sample shows, together with those before it."""
        last = self._samples[-1]
        (lag,) = self.percentiles(lambda one: one.lag_buckets, LAG_BUCKETS_NS, (0.99,))
        accept = self.percentiles(lambda one: one.accept_buckets, LATENCY_BUCKETS_NS, (0.5, 0.95, 0.99))
        finality = self.percentiles(lambda one: one.finality_buckets, LATENCY_BUCKETS_NS, (0.5, 0.95, 0.99))
        used = self.cpu_percent()
        workers = [value for (name, _), value in used.items() if name.startswith("worker")]
        nodes = [value for (_, role), value in used.items() if role == "ledger"]
        return Point(
            at_s=round(at_s, 2),
            t_s=None if last.elapsed_s is None else round(last.elapsed_s, 2),
            trial=last.trial,
            planned_per_s=self.per_s(lambda one: one.planned),
            submitted_per_s=self.per_s(lambda one: one.submitted),
            accepted_per_s=self.per_s(lambda one: one.accepted),
            valid_per_s=self.per_s(lambda one: one.finalized_valid),
            failed_per_s=self.per_s(lambda one: one.failed + one.failed_expected),
            rejected_per_s=self.per_s(lambda one: one.rejected),
            dropped_per_s=self.per_s(lambda one: one.dropped_total),
            reads_per_s=self.per_s(lambda one: one.reads_answered),
            in_flight=last.in_flight,
            in_flight_bound=last.in_flight_bound,
            submit_lag_ms_p99=lag,
            accept_ms_p50=accept[0],
            accept_ms_p95=accept[1],
            accept_ms_p99=accept[2],
            finality_ms_p50=finality[0],
            finality_ms_p95=finality[1],
            finality_ms_p99=finality[2],
            block_height=last.block_height,
            block_age_s=None if last.block_age_s is None else round(last.block_age_s, 2),
            worker_cpu_percent=max(workers, default=None),
            observer_cpu_percent=next((value for (name, _), value in used.items() if name == "observer"), None),
            ledger_cpu_percent=round(sum(nodes), 1) if nodes else None,
        )


def _when(sample: Sample) -> tuple[int, int | None]:
    return sample.trial, sample.start_ns


def bucket_percentile(bounds_ns: Sequence[int], counts: Sequence[int], share: float) -> float | None:
    """The value below which `share` of the observations lie, in ns, as Prometheus' `histogram_quantile` has it: evenly
    spread inside a bucket, and the last bound for what lies above it. None when nothing was observed.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below, lower = share * total, 0, 0
    for bound, count in zip(bounds_ns, counts, strict=False):
        if count and below + count >= wanted:
            return lower + (bound - lower) * (wanted - below) / count
        below, lower = below + count, bound
    return float(bounds_ns[-1])
