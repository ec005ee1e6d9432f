"""Is a threshold met? Every trial must meet it, so one miss is a miss; what cannot be told is undecided.

Undecided is what a run cannot show: it is not valid or was cut short, not all of the load was sent, or the load turned
out not to be the one the source means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.report import format as fmt
from bench.report.standards.catalogue import Threshold, Unit
from bench.report.standards.evidence import Run
from bench.report.standards.readings import Finding, in_unit, share

SENT_IN_FULL = 0.99
"""Share of the planned transactions that must have been sent for a threshold to count as met."""
_MOST_DIGITS = 10
_NOISE = 1e-9  # what floats may add to a tolerance before a value at its edge is outside

Status = Literal["met", "missed", "undecided"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`asked` is the threshold in words. `reason` says why it is not met; empty when it is."""

    status: Status
    asked: str
    reason: str = ""
    remedy: str = ""


def judge(threshold: Threshold, finding: Finding, run: Run | None, unit: Unit) -> Judgement:
    """Hold the finding's trials against the threshold."""
    asked = in_words(threshold, unit)
    if run is None or not finding.per_trial:
        missing = finding.missing
        return Judgement("undecided", asked, missing.reason if missing else "", missing.remedy if missing else "")
    if run.sound:
        return Judgement("undecided", asked, run.sound, "see the run's own report for the reason; run again")
    outside = _outside(threshold, finding.per_trial, unit, asked)
    if outside is not None:
        return outside
    counts = run.counts
    if counts.submitted < SENT_IN_FULL * counts.planned:
        return Judgement(
            "undecided",
            asked,
            f"only {share(counts.submitted / counts.planned)} of the planned load was sent, so the ledger was spared "
            f"the rest ({fmt.per_kind(counts.dropped_by)})",
            "raise load.in_flight, or add workers or accounts if the harness was the cause, and run again",
        )
    return Judgement("met", asked)


def in_words(threshold: Threshold, unit: Unit) -> str:
    """The threshold as the table prints it."""
    if threshold.at_least is not None:
        return f"≥{fmt.NBSP}{in_unit(threshold.at_least, unit)}"
    if threshold.more_than is not None:
        return f">{fmt.NBSP}{in_unit(threshold.more_than, unit)}"
    tolerance = fmt.number(100 * threshold.within)
    return f"≈{fmt.NBSP}{in_unit(threshold.about, unit)} (here ±{fmt.NBSP}{tolerance}{fmt.NBSP}%)"


def _outside(threshold: Threshold, values: Sequence[float], unit: Unit, asked: str) -> Judgement | None:
    """The judgement on the first trial that is worst; None where all are inside."""
    if threshold.about is not None:
        return _off(threshold, threshold.about, values, unit, asked)
    bound = threshold.at_least if threshold.at_least is not None else threshold.more_than
    assert bound is not None  # one of the three is given
    worst = min(values)
    if worst > bound or (threshold.at_least is not None and worst == bound):
        return None
    found = f"{_telling(worst, bound, unit)} {_in_trial(values, worst)}"
    return Judgement("missed", asked, found, "lower the load, or find what was refused or lost in the run's own report")


def _off(threshold: Threshold, about: float, values: Sequence[float], unit: Unit, asked: str) -> Judgement | None:
    low, high = about * (1 - threshold.within - _NOISE), about * (1 + threshold.within + _NOISE)
    above = [value for value in values if value > high]
    if above and threshold.above == "missed":
        worst = max(above)
        text = "nothing was committed" if math.isinf(worst) else _telling(worst, high, unit)
        reason = f"{text} {_in_trial(values, worst)}: the ledger fell further behind than the test means"
        return Judgement("missed", asked, reason, "lower the rate of the pressure test to what the ledger carries")
    outside = next((value for value in values if not low <= value <= high), None)
    if outside is None:
        return None
    edge = low if outside < low else high
    reason = f"{_telling(outside, edge, unit)} {_in_trial(values, outside)}: the load was not the one the test means"
    return Judgement("undecided", asked, reason, "set the rate of the pressure test to the most the ledger carries")


def _in_trial(values: Sequence[float], value: float) -> str:
    return f"in trial {values.index(value) + 1} of {len(values)}" if len(values) > 1 else "in the one trial"


def _telling(value: float, bound: float, unit: Unit) -> str:
    """The value with as many digits as it takes to tell it from the bound, so that no one reads "95 % is not 95 %"."""
    if unit != "share":
        digits = next((d for d in range(3, _MOST_DIGITS) if f"{value:.{d}g}" != f"{bound:.{d}g}"), _MOST_DIGITS)
        return f"{value:.{digits}g}"
    digits = next((d for d in range(2, _MOST_DIGITS) if share(value, d) != share(bound, d)), _MOST_DIGITS)
    return share(value, digits)
