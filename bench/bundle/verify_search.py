"""Checks what a bundle says of a capacity search: each attempt against its trial, and the result against the attempts.

By the rules of `docs/capacity.md`, and not with the code that published the figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from bench.model.reasons import only_began_empty
from bench.model.result import Capacity, CapacityAttempt, Result, Trial, full_length_rates
from bench.stats.interval import median_interval, pass_probability_low

SHOWN = 0.99
"""A trial passes with this share of its load served, so a pass shows this share of its rate and no more."""
_CHANCE = 6.0
"""Standard deviations by which Poisson arrivals may miss their rate."""


def low_end(capacity: Capacity) -> list[CapacityAttempt]:
    """The full-length attempts at the rate that the low end is stated of."""
    low = capacity.low_per_s
    return [
        one
        for one in capacity.attempts
        if low is not None
        and one.kind == "confirm"
        and not one.harness_bound
        and math.isclose(SHOWN * one.offered_per_s, low)
    ]


def summarised(result: Result) -> list[Trial]:
    """The trials that the summary is over: all, or those at the low end of a search."""
    if result.capacity is None:
        return result.trials
    numbers = {one.trial for one in low_end(result.capacity)}
    return [trial for trial in result.trials if trial.trial in numbers]


def problems(result: Result) -> Iterator[str]:
    """What does not follow; nothing where nothing was searched."""
    capacity = result.capacity
    if capacity is None:
        return
    trials = {trial.trial: trial for trial in result.trials}
    for number, attempt in enumerate(capacity.attempts, 1):
        for problem in (*_against_its_trial(attempt, trials), *_against_the_rules(attempt, capacity.slo)):
            yield f"attempt {number} of the search {problem}"
    yield from _ends(capacity)
    yield from _confirmation(capacity)
    yield from _curve(capacity)


def _against_its_trial(attempt: CapacityAttempt, trials: Mapping[int, Trial]) -> Iterator[str]:
    """Nothing of an attempt that was taken over: its trial is in another bundle."""
    if attempt.trial is None:
        return
    trial = trials.get(attempt.trial)
    if trial is None:
        yield f"is trial {attempt.trial}, which the bundle does not have"
        return
    finality = trial.latency_ms.finality
    for name, made in (
        ("goodput_per_s", trial.rates.goodput_per_s),
        ("finality_p50_ms", finality.p50),
        ("finality_p99_ms", finality.p99),
        ("finality_p99_at_least_ms", finality.lower_bound.get("p99")),
        ("block_interval_s", trial.blocks.interval_s_median),
    ):
        if not _same(getattr(attempt, name), made):
            yield f"states {name} = {getattr(attempt, name)}, but trial {attempt.trial} has {made}"
    yield from _rate(attempt, trial)
    if attempt.passed and trial.verdict.status != "valid" and not only_began_empty(trial.verdict):
        yield f"passed, but trial {attempt.trial} is {trial.verdict.status}"


def _rate(attempt: CapacityAttempt, trial: Trial) -> Iterator[str]:
    """Whether the trial had that rate, as far as arrivals at random have one. Reads are offered, too."""
    length_s = sum(part.end_s - part.start_s for part in trial.phases if part.phase == "measure")
    writes = sum(part.planned for part in trial.operations.values() if part.kind == "write")
    planned = sum(part.planned for part in trial.operations.values())
    if not writes or trial.verdict.status == "invalid":
        return
    wanted = attempt.offered_per_s * writes / planned * length_s
    if abs(trial.rates.offered_per_s * length_s - wanted) > _CHANCE * math.sqrt(wanted) + 2:
        yield (
            f"states offered_per_s = {attempt.offered_per_s}, but in trial {attempt.trial} "
            f"{trial.rates.offered_per_s} writes a second were due"
        )


def _against_the_rules(attempt: CapacityAttempt, slo: Mapping[str, float]) -> Iterator[str]:
    if attempt.passed != (not attempt.reasons):
        yield f"{'passed' if attempt.passed else 'failed'} with {len(attempt.reasons)} reasons against it"
    if not attempt.passed:
        return
    if attempt.harness_bound:
        yield "passed, but measured the harness"
    if attempt.served_share < SHOWN:
        yield f"passed, but served {attempt.served_share:.2%}"
    bound = slo.get("finality_p99_ms")
    if bound is not None and (attempt.finality_p99_ms is None or attempt.finality_p99_ms > bound):
        yield f"passed, but its p99 finality is not within {bound:g} ms"


def _ends(capacity: Capacity) -> Iterator[str]:
    low, high = capacity.low_per_s, capacity.high_per_s
    passed = [one.offered_per_s for one in capacity.attempts if one.passed]
    failed = [one.offered_per_s for one in capacity.attempts if not one.passed and not one.harness_bound]
    if low is not None and not any(math.isclose(SHOWN * rate, low) for rate in passed):
        yield f"the search states low_per_s = {low}, but no attempt passed at a rate 1 % above"
    if high is not None and high not in failed:
        yield f"the search states high_per_s = {high}, but no attempt failed at that rate"
    if low is not None and high is not None and low >= high:
        yield f"the search states low_per_s = {low}, which is not below high_per_s = {high}"


def _confirmation(capacity: Capacity) -> Iterator[str]:
    found = low_end(capacity)
    passes = sum(one.passed for one in found)
    goodput = median_interval([one.goodput_per_s for one in found])
    stated: list[tuple[str, object, object]] = [
        ("confirmed_trials", capacity.confirmed_trials, len(found)),
        ("confirmed_passes", capacity.confirmed_passes, passes),
        ("pass_probability_low", capacity.pass_probability_low, _chance(capacity.attempts, passes, len(found))),
        *(
            (f"goodput_per_s.{name}", getattr(capacity.goodput_per_s, name), made)
            for name, made in goodput.model_dump().items()
        ),
    ]
    for name, said, made in stated:
        if not _same(said, made):
            yield f"the search states {name} = {said}, but its attempts give {made}"


def _chance(attempts: Sequence[CapacityAttempt], passes: int, trials: int) -> float | None:
    return pass_probability_low(passes, trials, 1 - 0.05 / full_length_rates(attempts)) if trials else None


def _curve(capacity: Capacity) -> Iterator[str]:
    low = capacity.low_per_s
    curve = [one for one in capacity.attempts if one.kind == "curve" and not one.harness_bound]
    for percent, stated in capacity.latency_at.items():
        given = [
            one
            for one in curve
            if low is not None
            and f"{round(100 * SHOWN * one.offered_per_s / low)}" == percent
            and _same(stated.get("p50"), one.finality_p50_ms)
            and _same(stated.get("p99"), one.finality_p99_ms)
        ]
        if not given:
            yield f"the search states a latency at {percent} % of its low end that no attempt has"


def _same(stated: object, made: object) -> bool:
    if isinstance(stated, int | float) and isinstance(made, int | float):
        return math.isclose(stated, made, rel_tol=1e-6, abs_tol=1e-6)
    return stated == made
