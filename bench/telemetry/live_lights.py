"""Three questions of a watcher, each answered from the last seconds: is the ledger alive, is it keeping up, is it us?
They guide the eye; what a trial is worth, its verdict says (`bench.measure.verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import dropwhile

from bench.measure.inputs import Limits
from bench.model.buckets import LAG_BUCKETS_NS
from bench.model.clock import NS_PER_MS, NS_PER_S
from bench.model.phase import Phase
from bench.model.transaction import HARNESS_CAUSED_DROPS, ErrorClass
from bench.telemetry.live_sample import DONE, LOADED, Run, Sample
from bench.telemetry.live_window import PERCENTILE_S, Point, Window, bucket_percentile

STALE_S = 5.0
"""Workers report every second; after so long without a report, what is shown is no longer true."""
SILENT_S = 5.0
SILENT_INTERVALS = 5
"""A ledger is silent when writes wait and no block came for `SILENT_S`, and for so many of its mean block intervals."""
FIRST_S = 5.0
"""Shorter than this, a trend is chance."""
SERVED, FAR_BELOW = 0.95, 0.9
REFUSED, MANY_REFUSED = 0.01, 0.1
LEAST_SENT = 100
"""Below it a p99 is the slowest of all."""
NEAR = 0.8
"""Share of a bound from which on a warning is due."""
_FULL = ErrorClass.IN_FLIGHT_BOUND.label
_OURS = tuple(sorted(cause.label for cause in HARNESS_CAUSED_DROPS))


@unique
class State(StrEnum):
    """`good` is what one hopes for, whatever the question."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Light:
    """One question, its answer in a word, and why."""

    question: str
    state: State
    answer: str
    reason: str


ALIVE, KEEPING_UP, OURS = "Is the ledger alive?", "Is it keeping up?", "Is it us?"
_ANSWERS = {
    ALIVE: {State.GOOD: "Yes", State.WARN: "Perhaps not", State.BAD: "No", State.UNKNOWN: "Not known"},
    KEEPING_UP: {State.GOOD: "Yes", State.WARN: "Barely", State.BAD: "No", State.UNKNOWN: "Not known"},
    OURS: {State.GOOD: "No", State.WARN: "Nearly", State.BAD: "Yes", State.UNKNOWN: "Not known"},
}


def lights(window: Window, point: Point, run: Run) -> tuple[Light, Light, Light]:
    """The three, for the last sample in `window` and the point made of it."""
    last = window.samples[-1]
    if last.phase not in LOADED or last.elapsed_s is None:
        reason = "The trial has ended." if last.phase == DONE else "No load yet: the trial is being prepared."
        return unknown_lights(reason)
    return (
        _light(ALIVE, _alive(last)),
        _light(KEEPING_UP, _keeping_up(window, point, run.slo_finality_s)),
        _light(OURS, _ours(window, point, run.limits)),
    )


def unknown_lights(reason: str) -> tuple[Light, Light, Light]:
    """The three when nothing can be said."""
    return _light(ALIVE, _unknown(reason)), _light(KEEPING_UP, _unknown(reason)), _light(OURS, _unknown(reason))


def stale_lights(age_s: float) -> tuple[Light, Light, Light]:
    """The three when there is load and nothing was reported for so long: that is the harness's own fault."""
    reason = f"Our workers have not reported for {age_s:.0f} s."
    return (*unknown_lights(reason)[:2], _light(OURS, (State.BAD, reason)))


def surely_late(before: Sequence[int], middle: Sequence[int], now: Sequence[int], limits: Limits) -> bool:
    """Whether sends are late beyond doubt, from the cumulative lag buckets at the beginning, the middle and the end of
    a window: their p99 lies above the bucket that the bound lies in, in the whole and in each half. One pause, however
    long, lies in one half only; of fewer than `LEAST_SENT` nothing is said. Empty buckets stand for zeros.
    """
    bound_ns = next((edge for edge in LAG_BUCKETS_NS if edge >= limits.submit_lag_p99_ns), LAG_BUCKETS_NS[-1])
    if sum(now) - sum(before) < LEAST_SENT:
        return False
    return all(_p99_ns(old, new) > bound_ns for old, new in ((before, now), (before, middle), (middle, now)))


def _p99_ns(before: Sequence[int], now: Sequence[int]) -> float:
    """Of what came between; 0 when nothing did."""
    gained = [max(0, new - old) for old, new in zip(before, now, strict=True)] if before else now
    return bucket_percentile(LAG_BUCKETS_NS, gained, 0.99) or 0.0


_Found = tuple[State, str]


def _light(question: str, found: _Found) -> Light:
    state, reason = found
    return Light(question, state, _ANSWERS[question][state], reason)


def _unknown(reason: str) -> _Found:
    return State.UNKNOWN, reason


# --- is the ledger alive?


def _alive(last: Sample) -> _Found:
    elapsed_s = last.elapsed_s or 0.0
    if last.block_age_s is None:
        if last.in_flight and elapsed_s > SILENT_S:
            return State.BAD, f"No block was heard in {elapsed_s:.0f} s, and {last.in_flight:,} writes wait for one."
        return _unknown("No block was heard yet.")
    block = "The last block" if last.block_height is None else f"Block {last.block_height:,}"
    if last.block_age_s <= _silence_s(last, elapsed_s):
        return State.GOOD, f"{block} came {last.block_age_s:.1f} s ago."
    if not last.in_flight:
        return _unknown(f"{block} came {last.block_age_s:.0f} s ago, but no write waits for another.")
    return State.BAD, f"{block} came {last.block_age_s:.0f} s ago, and {last.in_flight:,} writes wait for another."


def _silence_s(last: Sample, elapsed_s: float) -> float:
    """From which age of the last block on the ledger is silent: judged by its pace up to that block."""
    interval_s = max(0.0, elapsed_s - (last.block_age_s or 0.0)) / max(1, last.blocks)
    return max(SILENT_S, SILENT_INTERVALS * interval_s)


# --- is it keeping up?


def _keeping_up(window: Window, point: Point, slo_finality_s: float | None) -> _Found:
    """The worst of what is found; of equals the first."""
    found = [*_full(window), *_trend(window), *_refused(window), *_slow(point, slo_finality_s)]
    for state in (State.BAD, State.WARN, State.GOOD):
        for one in found:
            if one[0] is state:
                return one
    return _unknown("Too early to say.")


def _full(window: Window) -> list[_Found]:
    unsent = window.gained(lambda one: one.dropped.get(_FULL, 0), PERCENTILE_S)
    if not unsent:
        return []
    return [
        (
            State.BAD,
            f"Not sent in the last {PERCENTILE_S:.0f} s, as too many were in flight or unanswered: {unsent:,} writes.",
        )
    ]


def _trend(window: Window) -> list[_Found]:
    """Behind when less becomes final than is planned *and* ever more is in flight; either alone is chance: blocks come
    in steps. It is looked at from the first final write on: before, what is in flight rises by itself.
    """
    last = window.samples[-1]
    if last.phase == Phase.DRAIN:
        return [_draining(window)]
    steady = list(dropwhile(lambda one: not _through(one), window.samples))
    if len(steady) < 2 or last.at_ns - steady[0].at_ns < FIRST_S * NS_PER_S:
        return _nothing_through(window)
    planned = last.planned - steady[0].planned
    through = _through(last) - _through(steady[0])
    if not planned:
        return [_reads(window)]
    seconds = (last.at_ns - steady[0].at_ns) / NS_PER_S
    rising = _slope_per_s(steady) * seconds / planned
    told = f"{through:,} of {planned:,} writes planned in the last {seconds:.0f} s became final"
    for state, share in ((State.BAD, FAR_BELOW), (State.WARN, SERVED)):
        if through < share * planned and rising > 1 - share:
            return [(state, f"{told}, and ever more are in flight ({last.in_flight:,}).")]
    if last.in_flight and not window.gained(_through, PERCENTILE_S) and seconds > PERCENTILE_S:
        return [(State.BAD, f"No write became final in the last {PERCENTILE_S:.0f} s.")]
    return [(State.GOOD, f"{told}.")]


def _through(sample: Sample) -> int:
    return sample.finalized_valid + sample.failed + sample.failed_expected


def _nothing_through(window: Window) -> list[_Found]:
    last = window.samples[-1]
    if _through(last) or not last.in_flight or (last.elapsed_s or 0.0) < PERCENTILE_S:
        return []
    return [(State.BAD, f"No write has become final in {last.elapsed_s:.0f} s; {last.in_flight:,} are in flight.")]


def _reads(window: Window) -> _Found:
    answered = window.gained(lambda one: one.reads_answered, PERCENTILE_S)
    issued = window.gained(lambda one: one.reads_issued, PERCENTILE_S)
    if not issued:
        return _unknown("Nothing was due in the last seconds.")
    state = State.GOOD if answered >= SERVED * issued else State.BAD
    return state, f"{answered:,} of {issued:,} reads of the last {PERCENTILE_S:.0f} s were answered."


def _draining(window: Window) -> _Found:
    left = window.samples[-1].in_flight
    if not left:
        return State.GOOD, "The load is over and nothing is in flight any more."
    if window.gained(_through, PERCENTILE_S):
        return State.GOOD, f"The load is over; {left:,} writes are still in flight."
    return (
        State.BAD,
        f"The load is over, {left:,} writes are in flight and none became final in the last {PERCENTILE_S:.0f} s.",
    )


def _slope_per_s(samples: list[Sample]) -> float:
    """Of what is in flight, by least squares."""
    times = [(sample.at_ns - samples[0].at_ns) / NS_PER_S for sample in samples]
    mean_t = sum(times) / len(times)
    spread = sum((time - mean_t) ** 2 for time in times)
    together = sum((time - mean_t) * sample.in_flight for time, sample in zip(times, samples, strict=True))
    return together / spread if spread else 0.0


def _refused(window: Window) -> list[_Found]:
    refused = window.gained(lambda one: one.rejected + one.failed, PERCENTILE_S)
    sent = window.gained(lambda one: one.submitted, PERCENTILE_S)
    if refused <= REFUSED * sent:
        return []
    state = State.BAD if refused > MANY_REFUSED * sent else State.WARN
    return [(state, f"Rejected or failed in the last {PERCENTILE_S:.0f} s: {refused:,} of {sent:,} writes sent.")]


def _slow(point: Point, slo_finality_s: float | None) -> list[_Found]:
    p99 = point.finality_ms_p99
    if slo_finality_s is None or p99 is None or p99 <= slo_finality_s * 1_000:
        return []
    return [(State.WARN, f"p99 finality is {p99 / 1_000:,.1f} s, the objective is {slo_finality_s:g} s.")]


# --- is it us?


def _ours(window: Window, point: Point, limits: Limits) -> _Found:
    unsent = window.gained(lambda one: sum(one.dropped.get(cause, 0) for cause in _OURS), PERCENTILE_S)
    if unsent:
        return State.BAD, f"Not sent in the last {PERCENTILE_S:.0f} s, as we had them not ready: {unsent:,} writes."
    return _pace(window, point, limits)


def _pace(window: Window, point: Point, limits: Limits) -> _Found:
    """Submit lag and processors against the bounds of the verdict. A lag in the bucket that the bound lies in may be on
    either side of it, and one pause is no state: these only warn.
    """
    bound_ms = limits.submit_lag_p99_ns / NS_PER_MS
    enough = window.gained(lambda one: one.submitted + one.reads_issued, PERCENTILE_S) >= LEAST_SENT
    lag = point.submit_lag_ms_p99 if enough else None
    busiest = max((used for used in (point.worker_cpu_percent, point.observer_cpu_percent) if used), default=None)
    if lag is None and busiest is None:
        return _unknown("Too little was sent to say.")
    parts = [] if lag is None else [f"We send {lag:.1f} ms late (p99; {bound_ms:g} ms are allowed)"]
    parts += [] if busiest is None else [f"our busiest process uses {busiest:.0f} % of a core"]
    text = ", ".join(parts)
    text = f"{text[0].upper()}{text[1:]}."
    shares = [0.0 if lag is None else lag / bound_ms, (busiest or 0.0) / limits.worker_cpu_percent]
    if shares[1] >= 1 or (enough and _late(window, limits)):
        return State.BAD, text
    return (State.WARN if max(shares) > NEAR else State.GOOD), text


def _late(window: Window, limits: Limits) -> bool:
    before, middle = window.past(PERCENTILE_S), window.past(PERCENTILE_S / 2)
    if before is None or middle is None:
        return False
    return surely_late(before.lag_buckets, middle.lag_buckets, window.samples[-1].lag_buckets, limits)
