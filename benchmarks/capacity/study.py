"""One search, of either method, on a ledger whose limit is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.measure.summary import summarise
from bench.model.clock import NS_PER_S
from bench.model.phase import Outcome
from bench.run.attempts import attempt_of, conclude
from bench.run.search import Ask, Rules, Search
from bench.scenario.arrival import Constant
from bench.scenario.plan import trial_seed
from benchmarks.capacity.models import Model
from benchmarks.capacity.virtual import DRAIN_NS, virtual_trial

START_PER_S = 10.0
BUDGET_S = 30 * 60.0
OVERHEAD_S = 6.0
"""What a real trial takes beside load and drain: a fresh ledger, processes, reports."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search published, and what it took. DLPS publishes one figure: then `low` and `high` are equal."""

    true_per_s: float
    low_per_s: float | None
    high_per_s: float | None
    attempts: int
    took_s: float
    ended: str

    @property
    def contains(self) -> bool:
        """Whether the interval has two ends and holds the truth."""
        low, high = self.low_per_s, self.high_per_s
        return low is not None and high is not None and low <= self.true_per_s <= high

    @property
    def too_high(self) -> bool:
        """Whether the ledger was said to sustain more than it does."""
        return self.low_per_s is not None and self.low_per_s > self.true_per_s

    @property
    def width(self) -> float | None:
        """As a share of the low end."""
        if self.low_per_s is None or self.high_per_s is None:
            return None
        return (self.high_per_s - self.low_per_s) / self.low_per_s


def search(model: Model, seed: int) -> Answer:
    """The method of this product: the rules, judgement and budget of a real search, with trials in virtual time."""
    course = Search(Rules(start_per_s=START_PER_S, curve=()))
    took_s = 0.0
    while (asked := course.ask) is not None:
        needed_s = (asked.warm_up_ns + asked.measure_ns + DRAIN_NS) / NS_PER_S + OVERHEAD_S
        if took_s + needed_s > BUDGET_S:
            break
        took_s += needed_s
        number = len(course.attempts) + 1
        trial = virtual_trial(model.options, Constant(asked.offered_per_s), asked, number, trial_seed(seed, number))
        course.take(attempt_of(asked, trial, summarise(trial), None))
    found = conclude(course, course.ended or "budget", estimate=False)
    return Answer(model.true_per_s, found.low_per_s, found.high_per_s, len(course.attempts), took_s, found.ended)


DURATION_S = 20
RATE_BOUND = 0.1
R2_BOUND = 0.9
RETRIES = 2
LOCALIZATIONS = 2
NEXT_BASE, NEXT_STEP = 0.8, 0.04


def dlps(model: Model, seed: int) -> Answer:
    """DLPS's method, with the settings of its example for Fabric. Sources: Sedlmeir, Ross, Luckow, Lockl, Miehle,
    Fridgen: "The DLPS: A Framework for Benchmarking Blockchains" (HICSS 2021), and its code (ChainLab,
    benchmarking.py). Here every step has a fresh ledger and an exact sender, which is kinder than the original.
    """
    base, step = 0.0, START_PER_S
    published: float | None = None
    steps = 0
    for _ in range(LOCALIZATIONS):
        ramp = _Ramp(model, seed, base, step, steps)
        published = ramp.climb()
        steps = ramp.steps
        if published is None:
            break
        base, step = NEXT_BASE * published, NEXT_STEP * published
    took_s = steps * (DURATION_S + OVERHEAD_S)
    return Answer(model.true_per_s, published, published, steps, took_s, "converged")


@dataclass(slots=True)
class _Ramp:
    """base + k · step, k = 1, 2 … until a rate fails twice."""

    model: Model
    seed: int
    base: float
    step: float
    steps: int

    def climb(self) -> float | None:
        """The published throughput: of the steps within 2 % of the highest receive rate, the one that sent least."""
        seen = list(self._rates())
        if not seen:
            return None
        best = max(received for _, received in seen)
        return min((sent, received) for sent, received in seen if received >= 0.98 * best)[1]

    def _rates(self) -> Iterator[tuple[float, float]]:
        """(sent, received) per second of each step; of the failing one, those of its last try."""
        for k in range(1, 1000):
            target = self.base + k * self.step
            for tried in range(RETRIES):
                sent, received, passed = self._try(target)
                if passed:
                    break
                if tried == RETRIES - 1:
                    yield sent, received
                    return
            yield sent, received

    def _try(self, target: float) -> tuple[float, float, bool]:
        self.steps += 1
        asked = Ask("probe", target, 0, DURATION_S * NS_PER_S)
        trial = virtual_trial(
            self.model.options, Constant(target), asked, self.steps, trial_seed(self.seed, self.steps)
        )
        sent, _ = _regressed(trial.rows["submitted_ns"])
        received, r_squared = _regressed(trial.rows["finalized_ns"][trial.rows["outcome"] == Outcome.FINALIZED])
        passed = (
            abs(received / sent - 1) <= RATE_BOUND and abs(sent / target - 1) <= RATE_BOUND and r_squared >= R2_BOUND
        )
        return sent, received, passed


def _regressed(times_ns: NDArray[np.int64]) -> tuple[float, float]:
    """Slope per second, and R², of the count over time, by least squares over the middle 80 % of the events."""
    times = np.sort(times_ns[times_ns >= 0]) / NS_PER_S
    tenth = len(times) // 10
    middle = times[tenth : len(times) - tenth]
    if len(middle) < 3 or middle[0] == middle[-1]:
        return 0.0, 0.0
    counts = np.arange(len(middle))
    slope = np.polyfit(middle, counts, 1)[0]
    return float(slope), float(np.corrcoef(middle, counts)[0, 1] ** 2)
