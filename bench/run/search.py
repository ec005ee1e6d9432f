"""The search for the highest sustainable load, as a pure state machine: which trial next, and what is known so far.

It runs nothing. `Search.ask` says which trial it wants, `Search.take` gives it what came of it, and given the same
trials it asks for the same next one, so a search is resumed by giving it the trials of an earlier one again. The method
and its reasons are in docs/capacity.md.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from bench.model.clock import NS_PER_S
from bench.model.errors import ConfigurationError
from bench.model.result import CapacityAttempt
from bench.run.evidence import overloaded

Kind = Literal["probe", "confirm", "curve"]
Ended = Literal["converged", "harness-bound", "nothing-passed", "undecided"]

TOLERANCE = 0.01
"""What a passing trial may leave unserved, and by how much of the offered load its backlog may grow (see
`bench.measure.sustainable`). So a pass at r shows that the ledger keeps up with (1 − TOLERANCE) · r, and no more."""
HALVINGS = 20
"""A ledger that fails at a millionth of the first rate sustains nothing worth a number."""
UNDECIDED_RATES = 3
"""Rates in a row, each half the one before, at which nothing could be told: a lower one would not tell more."""
CLEAR_SHARE = 0.9
"""A probe that served less of its load failed clearly; one that served more is repeated, and two of three decide."""
HARNESS_TRIES = 3
"""Trials at one rate that may all measure the harness before that rate counts as more than the harness can send."""
LENGTHENED = 3
"""How often one trial is repeated because it saw too few blocks, or began to measure before anything could be final."""
MOST_LOOKS = 4
"""Full-length trials at a failing rate; when they leave doubt, a higher rate is tried instead."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`resolution` is how wide the interval may be, as a share of its low end. Times without the warm-up.

    A trial lasts at least `…_ns`, `…_blocks` of the block intervals seen so far, and until `operations` were due (a
    99th percentile needs so many). `slo_ms` bounds p99 finality.
    """

    start_per_s: float
    highest_per_s: float = 1_000_000.0
    resolution: float = 0.05
    confirmations: int = 5
    probe_ns: int = 10 * NS_PER_S
    probe_blocks: int = 12
    confirm_ns: int = 60 * NS_PER_S
    confirm_blocks: int = 20
    warm_up_ns: int = 3 * NS_PER_S
    operations: int = 0
    slo_ms: float | None = None
    curve: tuple[int, ...] = (50, 80, 95)

    @property
    def step(self) -> float:
        """By how much neighbouring rates of the search differ, as a factor: the published interval, whose low end lies
        `TOLERANCE` below a rate that passed, is then as narrow as `resolution` says.
        """
        return (1 + self.resolution) * (1 - TOLERANCE)


@dataclass(frozen=True, slots=True)
class Ask:
    """A trial that the search wants: `warm_up_ns` of load before `measure_ns` that count."""

    kind: Kind
    offered_per_s: float
    warm_up_ns: int
    measure_ns: int


_Course = Generator[Ask, CapacityAttempt, None]
_Look = Generator[Ask, CapacityAttempt, CapacityAttempt]


class Search:
    """`ask` is None once the search is over, and `ended` then says how; before, `ended` is None.

    `low` is the highest rate that is held to be sustainable, `high` the lowest that is held not to be, both as offered;
    `confirmed` and `established` say whether that has been shown, or is so far only what single trials said.
    `harness_at` is the rate from which on trials measured the harness.
    """

    def __init__(self, rules: Rules) -> None:
        if rules.step <= 1:
            raise ConfigurationError(
                "the resolution is finer than what a trial can tell",
                value=rules.resolution,
                remedy=f"use more than {TOLERANCE / (1 - TOLERANCE):.3f}, e.g. 0.05",
            )
        self.rules = rules
        self.attempts: list[CapacityAttempt] = []
        self.low: float | None = None
        self.high: float | None = None
        self.harness_at: float | None = None
        self.confirmed = False
        self.established = False
        self.ended: Ended | None = None
        self._course = self._steps()
        self.ask: Ask | None = next(self._course)

    def take(self, attempt: CapacityAttempt) -> None:
        """What came of the trial asked for. ConfigurationError when it is another one."""
        asked = self.ask
        if asked is None or not _answers(attempt, asked):
            wanted = "nothing" if asked is None else _told(asked.kind, asked.offered_per_s, asked.measure_ns / NS_PER_S)
            raise ConfigurationError(
                f"another trial was asked for here: {wanted}",
                value=_told(attempt.kind, attempt.offered_per_s, attempt.duration_s),
                remedy="resume with the scenario and the options of the earlier search",
            )
        self.attempts.append(attempt)
        try:
            self.ask = self._course.send(attempt)
        except StopIteration:
            self.ask = None

    def full(self, rate: float) -> list[CapacityAttempt]:
        """Full-length trials at `rate` that measured the ledger and not the harness."""
        return [
            one
            for one in self.attempts
            if one.kind == "confirm" and one.offered_per_s == rate and not one.harness_bound
        ]

    # --- the course of the search

    def _steps(self) -> _Course:
        yield from self._bracket()
        yield from self._bisect()
        yield from self._try_ends()
        yield from self._confirm_low()
        yield from self._establish_high()
        yield from self._narrow()
        if self.low is None:
            self.ended = "undecided" if self._undecided_rates() else "nothing-passed"
            return
        self.ended = "converged" if self.established else "harness-bound"
        for percent in self.rules.curve:
            yield from self._look("curve", _rounded(self.low * percent / 100))

    def _bracket(self) -> _Course:
        """Double until a rate fails, or halve until one passes, or until several in a row told nothing."""
        rate = self.rules.start_per_s
        for _ in range(HALVINGS):
            if (yield from self._passes(rate)):
                self.low = rate
                break
            self.high, rate = rate, _rounded(rate / 2)
            if self._undecided_rates() >= UNDECIDED_RATES:
                return
        if self.high is None:
            yield from self._gallop(2.0)

    def _gallop(self, factor: float) -> _Course:
        """From `low` upwards in growing steps until a rate fails."""
        while self.low is not None and self.high is None:
            rate = min(_rounded(self.low * factor), self.rules.highest_per_s)
            if rate <= self.low:
                self.high = self.harness_at = rate
            elif (yield from self._passes(rate)):
                self.low, factor = rate, min(2.0, factor * factor)
            else:
                self.high = rate

    def _bisect(self) -> _Course:
        """Halve the bracket, geometrically, until its ends are one step apart."""
        while self.low is not None and self.high is not None and self.high / self.low > self.rules.step * 1.001:
            middle = _rounded(math.sqrt(self.low * self.high))
            if not self.low < middle < self.high:
                return
            if (yield from self._passes(middle)):
                self.low = middle
            else:
                self.high = middle

    def _try_ends(self) -> _Course:
        """One full-length trial at each end, and the ends moved until the lower one passes and the upper one fails."""
        fallen = 0
        while self.low is not None and self.high is not None:
            if not (yield from self._holds(self.low)):
                fallen += 1
                self._fall(fallen)
            elif self.high == self.harness_at or not (yield from self._holds(self.high)):
                return
            else:
                self.low, self.high = self.high, None
                yield from self._gallop(self.rules.step)
                yield from self._bisect()

    def _confirm_low(self) -> _Course:
        """All of `confirmations` full-length trials pass at `low`; after one that does not, a lower rate is tried."""
        fallen = 0
        while self.low is not None:
            if (yield from self._confirms(self.low)):
                self.confirmed = True
                return
            fallen += 1
            self._fall(fallen)

    def _establish_high(self) -> _Course:
        """Repeat full-length trials at `high` until they leave no doubt; where they do not agree, go up."""
        risen = 0
        while self.low is not None and self.high is not None and self.high != self.harness_at:
            seen = self.full(self.high)
            if overloaded(seen, TOLERANCE, self.rules.slo_ms):
                self.established = True
                return
            if len(seen) >= MOST_LOOKS or any(one.passed for one in seen):
                risen += 1
                self._rise(risen)
                continue
            attempt = yield from self._look("confirm", self.high)
            if attempt.harness_bound:
                self.harness_at = self.high

    def _narrow(self) -> _Course:
        """Where the ends had to be moved apart, one more try to confirm the rate one step below the upper one."""
        step = self.rules.step
        if not self.established or self.low is None or self.high is None:
            return
        if not step * 1.005 < self.high / self.low < step**2 * 1.01:
            return
        rate = _rounded(self.high / step)
        if (yield from self._confirms(rate)):
            self.low = rate

    def _rise(self, times: int) -> None:
        """Trials at `high` do not agree; half a step higher they may, and each time further up."""
        assert self.high is not None
        self.high = min(_rounded(self.high * math.sqrt(self.rules.step) ** times), self.rules.highest_per_s)
        if self.harness_at is not None and self.high >= self.harness_at:
            self.high = self.harness_at

    def _fall(self, times: int) -> None:
        """`low` failed a full-length trial: it is the new upper end, and a lower rate is tried, further down each
        time.
        """
        assert self.low is not None
        self.high, self.low = self.low, _rounded(self.low / self.rules.step**times)
        if self.low < self.rules.start_per_s / 2**HALVINGS:
            self.low = None

    # --- single trials

    def _undecided_rates(self) -> int:
        """How many of the lowest rates are such that no trial there could tell anything."""
        decided = [one.offered_per_s for one in self.attempts if not one.undecided]
        lowest = min(decided, default=math.inf)
        return len({one.offered_per_s for one in self.attempts if one.offered_per_s < lowest})

    def _confirms(self, rate: float) -> Generator[Ask, CapacityAttempt, bool]:
        """Whether as many full-length trials as are wanted pass at `rate`; the first that does not ends it."""
        while all(one.passed for one in self.full(rate)):
            if len(self.full(rate)) >= self.rules.confirmations:
                return True
            if not (yield from self._look("confirm", rate)).passed:
                break
        return False

    def _holds(self, rate: float) -> Generator[Ask, CapacityAttempt, bool]:
        """Whether full-length trials at `rate` passed so far; one is run if there was none."""
        seen = self.full(rate) or [(yield from self._look("confirm", rate))]
        return all(one.passed for one in seen)

    def _passes(self, rate: float) -> Generator[Ask, CapacityAttempt, bool]:
        """A probe; a failure close to the limit is repeated, and two of three decide."""
        first = yield from self._look("probe", rate)
        if first.passed or first.harness_bound or first.served_share < CLEAR_SHARE:
            return first.passed
        second = yield from self._look("probe", rate)
        if not second.passed:
            return False
        return (yield from self._look("probe", rate)).passed

    def _look(self, kind: Kind, rate: float) -> _Look:
        """One trial that measured the ledger, over enough blocks and after a warm-up as long as finality; or the last
        of several that measured the harness. One that could tell nothing is repeated only with a longer warm-up.
        """
        lengthened = 0
        for tried in range(HARNESS_TRIES + LENGTHENED):
            asked = self._asked(kind, rate)
            attempt = yield asked
            again = self._asked(kind, rate)
            began_empty = not attempt.passed and attempt.warm_up_needed_s is not None
            if lengthened < LENGTHENED and began_empty and again.warm_up_ns > asked.warm_up_ns:
                lengthened += 1
            elif attempt.undecided:
                break
            elif attempt.harness_bound:
                if tried - lengthened + 1 >= HARNESS_TRIES:
                    break
            elif lengthened < LENGTHENED and again.measure_ns > asked.measure_ns * 1.25:
                lengthened += 1
            else:
                break
        if attempt.harness_bound and kind != "curve" and (self.harness_at is None or rate < self.harness_at):
            self.harness_at = rate
        return attempt

    def _asked(self, kind: Kind, rate: float) -> Ask:
        rules = self.rules
        least_ns, blocks = (
            (rules.probe_ns, rules.probe_blocks) if kind == "probe" else (rules.confirm_ns, rules.confirm_blocks)
        )
        interval_ns, latency_ns = self._rhythm_ns()
        warm_up_ns = max(rules.warm_up_ns, 2 * interval_ns, latency_ns, self._needed_ns())
        needed_ns = math.ceil(rules.operations * NS_PER_S / rate)
        return Ask(kind, rate, warm_up_ns, max(least_ns, (blocks + 1) * interval_ns, needed_ns))

    def _rhythm_ns(self) -> tuple[int, int]:
        """Block interval and slow finality, as last seen in a trial that passed; before one did, in the last of all."""
        if not self.attempts:
            return 0, 0
        last = next((one for one in reversed(self.attempts) if one.passed), self.attempts[-1])
        if last.block_interval_s is None and not last.passed:  # no two blocks were seen: look longer
            return round(last.duration_s * NS_PER_S / self.rules.probe_blocks * 2), 0
        latency_ms = (last.finality_p99_ms or last.finality_p50_ms or 0.0) if last.passed else 0.0
        return round((last.block_interval_s or 0.0) * NS_PER_S), round(latency_ms * 1e6)

    def _needed_ns(self) -> int:
        """The warm-up that was last said to be needed; 0 when a trial passed since, because its finality says it."""
        for one in reversed(self.attempts):
            if one.warm_up_needed_s is not None:
                return round(one.warm_up_needed_s * NS_PER_S)
            if one.passed:
                break
        return 0


def _answers(attempt: CapacityAttempt, asked: Ask) -> bool:
    return (
        attempt.kind == asked.kind
        and math.isclose(attempt.offered_per_s, asked.offered_per_s)
        and math.isclose(attempt.duration_s, asked.measure_ns / NS_PER_S, rel_tol=1e-6)
    )


def _told(kind: str, rate: float, seconds: float) -> str:
    return f"{kind} at {rate:g}/s over {seconds:g} s"


def _rounded(rate: float) -> float:
    """Four digits, which is finer than any trial can tell apart."""
    return float(f"{rate:.4g}")
