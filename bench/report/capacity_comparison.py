"""Highest sustainable loads side by side: intervals, and whether one candidate carries more than another.

Each candidate was measured at its own highest load, so nothing else of them is judged: their waiting times and rates
belong to different loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from bench.model.result import Capacity, Result
from bench.report import format as fmt
from bench.report.capacity_page import confirmations
from bench.report.classes import same_class
from bench.report.judgement import Candidate, Metric, PairVerdict

CAPACITY = Metric("Highest sustainable load", "rate", True, "capacity")
LOAD = "raised for each candidate until it no longer kept up; the same operations on the same hardware."
OBSERVATION = (
    "Each candidate was measured at its own highest load, so its waiting times belong to that load and are not "
    "compared. To compare waiting times, run all of them at one load that each can carry."
)


def searched(candidates: Sequence[Candidate]) -> bool:
    """Whether all of them are capacity searches, and so are compared by what they carry."""
    return all(candidate.result.capacity is not None for candidate in candidates)


def at_own_load(candidate: Candidate) -> Candidate:
    """The candidate without its offered load, which differs by design and is no reason to refuse."""
    result = candidate.result
    offered = result.summary.offered_per_s.model_copy(update={"median": None})
    summary = result.summary.model_copy(update={"offered_per_s": offered})
    result = result.model_copy(update={"summary": summary})
    return replace(candidate, result=result)


def shown(result: Result) -> tuple[str, str]:
    """The interval, and below it how it was confirmed."""
    capacity = result.capacity
    if capacity is None:
        return "not searched", ""
    below = f"an estimate; {confirmations(capacity)}" if capacity.estimate else confirmations(capacity)
    if capacity.low_per_s is None:
        return "none found", ""
    if capacity.high_per_s is None:
        return f"≥{fmt.NBSP}{fmt.rate(capacity.low_per_s)}", below
    return fmt.span(capacity.low_per_s, capacity.high_per_s, "rate"), below


def pair_verdicts(workload: str, candidates: Sequence[Candidate], across_classes: bool) -> tuple[PairVerdict, ...]:
    """One verdict per pair. Two candidates differ only if their intervals do not touch."""
    return tuple(_judge(workload, first, second, across_classes) for first, second in combinations(candidates, 2))


def _judge(workload: str, first: Candidate, second: Candidate, across: bool) -> PairVerdict:
    def verdict(decided: bool, finding: str, grounds: str) -> PairVerdict:
        return PairVerdict(workload, CAPACITY, first.label, second.label, decided, finding, grounds)

    why = next((found for side in (first, second) if (found := _unusable(side))), "")
    if why:
        return verdict(False, "undecided", why)
    for less, more in ((first, second), (second, first)):
        gap = _gap(less.result.capacity, more.result.capacity)
        if gap is not None:
            grounds = "the two intervals do not touch"
            if not across and not same_class(first.result.ledger, second.result.ledger):
                grounds += "; different classes, so no winner is named"
            else:
                grounds += f"; {more.label} is better here"
            return verdict(True, f"{more.label}: at least {fmt.rate(gap)} more than {less.label}", grounds)
    return verdict(False, "undecided", "the two intervals overlap, or one has no upper end")


def _unusable(side: Candidate) -> str:
    capacity = side.result.capacity
    if side.result.summary.verdict.status != "valid":
        return f"the run on {side.label} is {side.result.summary.verdict.status}"
    if capacity is not None and capacity.ended == "undecided":
        return f"what {side.label} carries could not be told"
    if capacity is None or capacity.low_per_s is None:
        return f"no load was carried by {side.label}"
    if capacity.estimate:
        return f"the search on {side.label} is an estimate"
    if capacity.ended in ("interrupted", "budget", "failed"):
        return f"the search on {side.label} was not completed"
    return ""


def _gap(less: Capacity | None, more: Capacity | None) -> float | None:
    """By how much `more` carries more at least; None where that is not shown."""
    if less is None or more is None or less.high_per_s is None or more.low_per_s is None:
        return None
    return more.low_per_s - less.high_per_s if more.low_per_s > less.high_per_s else None
