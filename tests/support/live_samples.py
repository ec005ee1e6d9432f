"""Samples of a trial that goes as one says, for the live page's series and lights."""

from __future__ import annotations

from dataclasses import replace

from bench.model.buckets import LAG_BUCKETS_NS, LATENCY_BUCKETS_NS
from bench.model.clock import NS_PER_S
from bench.telemetry.live_sample import PlannedPhase, Run, Sample

RUN = Run("20300101-run", "simulated", "transfer", "0.1.0", 7)
START_NS = 1_000 * NS_PER_S
PHASES = (PlannedPhase("warm_up", 0, 10), PlannedPhase("measure", 10, 60), PlannedPhase("drain", 60, None))


def counted(bounds_ns: tuple[int, ...], **at_ms: int) -> tuple[int, ...]:
    """Buckets that hold so many observations of `ms_N` milliseconds."""
    buckets = [0] * (len(bounds_ns) + 1)
    for name, count in at_ms.items():
        value_ns = int(float(name.removeprefix("ms_").replace("_", ".")) * 1_000_000)
        place = next((index for index, bound in enumerate(bounds_ns) if value_ns <= bound), len(bounds_ns))
        buckets[place] += count
    return tuple(buckets)


def healthy(second: int, rate: int = 100, delay_s: int = 1) -> Sample:
    """`second` s after the start signal of a trial in which everything is final after `delay_s`, one block a second;
    writes are sent 1 ms late, the worker takes 40 % of a core and the node 25 %.
    """
    through = max(0, second - delay_s) * rate
    sent = second * rate
    blocks = max(0, second - delay_s + 1)
    return Sample(
        at_ns=START_NS + second * NS_PER_S,
        trial=1,
        trials=5,
        phase="warm_up" if second < 10 else "measure" if second < 60 else "drain",
        start_ns=START_NS,
        phases=PHASES,
        planned=sent,
        submitted=sent,
        accepted=sent,
        finalized_valid=through,
        in_flight=sent - through,
        in_flight_bound=1_000,
        lag_buckets=counted(LAG_BUCKETS_NS, ms_1=sent),
        accept_buckets=counted(LATENCY_BUCKETS_NS, ms_9=sent),
        finality_buckets=counted(LATENCY_BUCKETS_NS, ms_900=through),
        blocks=blocks,
        block_height=100 + blocks if blocks else None,
        block_age_s=0.2 if blocks else None,
        cpu_s={
            ("worker-0", "harness"): 0.4 * second,
            ("observer", "harness"): 0.1 * second,
            ("node", "ledger"): second / 4,
        },
        snapshot_age_s=0.1,
    )


def stalled(second: int, since: int, rate: int = 100) -> Sample:
    """Healthy up to `since`; from then on no block comes, and writes go on being sent."""
    now, before = healthy(second, rate), healthy(since, rate)
    return replace(
        now,
        finalized_valid=before.finalized_valid,
        in_flight=now.submitted - before.finalized_valid,
        in_flight_bound=100_000,
        finality_buckets=before.finality_buckets,
        blocks=before.blocks,
        block_height=before.block_height,
        block_age_s=float(second - since) + 0.2,
    )
