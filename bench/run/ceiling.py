"""The search for the highest rate that holds: double until one fails, then halve the interval on a logarithmic scale.

A failing rate is tried a second time before it counts, because a machine that others use has slow moments; one success
is enough, because nothing makes a harness faster than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.run.calibration_store import Attempt

TRIES = 2
LEAST_RATE = 10.0
MOST_RATE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Begins at `start`, or above `known`, a rate known to hold. Ends when the lowest rate that failed is at most
    `1 + precision` times the highest that held; with a `goal` also when that rate, or a higher one, holds.
    """

    start: float
    precision: float
    goal: float | None = None
    known: float | None = None


@dataclass(slots=True)
class Search:
    """`held` is the highest rate that held, `failed` the lowest that failed; None: none yet."""

    held: float | None = None
    failed: float | None = None
    attempts: list[Attempt] = field(default_factory=list)

    def open(self, precision: float) -> bool:
        """Whether more than `precision` lies between the two, so that `held` is no more than a lower bound."""
        if self.held is None or self.failed is None:
            return self.failed is None
        return self.failed > (1 + precision) * self.held


def find_ceiling(probe: Callable[[float], Attempt], plan: SearchPlan, more: Callable[[], bool]) -> Search:
    """Probe until the plan is fulfilled or `more` says that there is no time for a further attempt."""
    search = Search(held=plan.known)
    while (rate := next_rate(plan, search.held, search.failed)) is not None:
        held = _holds(probe, rate, more, search.attempts)
        if held is None:
            break
        if held:
            search.held = rate
        else:
            search.failed = rate
    return search


def next_rate(plan: SearchPlan, held: float | None, failed: float | None) -> float | None:
    """What to try next; None: nothing."""
    if plan.goal is not None and held is not None and held >= plan.goal:
        return None
    if failed is None:
        if held is None:
            return plan.start
        following = 2 * held if plan.goal is None else plan.goal
        return following if following <= MOST_RATE else None
    if held is None:
        if plan.goal is not None and plan.goal < failed:
            return plan.goal
        return failed / 2 if failed / 2 >= LEAST_RATE else None
    if not Search(held, failed).open(plan.precision):
        return None
    return float(f"{math.sqrt(held * failed):.3g}")


def _holds(
    probe: Callable[[float], Attempt], rate: float, more: Callable[[], bool], attempts: list[Attempt]
) -> bool | None:
    """None when time ran out before it was known."""
    for _ in range(TRIES):
        if not more():
            return None
        attempts.append(probe(rate))
        if attempts[-1].held:
            return True
    return False
