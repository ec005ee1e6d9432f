"""A value over the trials of a run, and what a metric turned out to be: found, or not measured and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.report import format as fmt
from bench.report.standards.catalogue import Unit
from bench.stats.interval import median_interval


@dataclass(frozen=True, slots=True)
class Known:
    """One trial's value; None is unknown. `at_least`: it is a lower bound, because some never finished."""

    value: float | None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure of a run: the median of its trials, unless `how` says otherwise. `label` says which figure it is."""

    label: str
    unit: Unit
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float | None = None
    at_least: bool = False
    trials: int = 0
    how: str = ""

    @property
    def text(self) -> str:
        """As people read it."""
        shown = in_unit(self.value, self.unit)
        return f"≥{fmt.NBSP}{shown}" if self.at_least and self.value is not None else shown

    @property
    def interval(self) -> str:
        """The interval, or why there is none."""
        if self.value is None:
            return "too few samples to say" if self.unit == "milliseconds" else "not known"
        if self.at_least:
            return "some never finished: a lower limit"
        if self.how:
            return f"{self.how} {fmt.trials(self.trials)}"
        if self.ci_low is None or self.ci_high is None:
            return f"{fmt.trials(self.trials)}: no interval"
        confidence = "" if self.confidence is None else f", {fmt.number(100 * self.confidence)}{fmt.NBSP}% confidence"
        return f"{in_unit(self.ci_low, self.unit)} to {in_unit(self.ci_high, self.unit)}{confidence}"


@dataclass(frozen=True, slots=True)
class Missing:
    """Not measured: why, and what would measure it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class StatisticRow:
    """One statistic, a reading per column of its table."""

    name: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class StatisticTable:
    """Statistics of a latency; `columns` say from when until when. `samples` per trial and column."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[StatisticRow, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a metric: `value`, or `missing`. `beside` are figures the source does not ask for.

    `per_trial` holds what a threshold is held against.
    """

    value: Reading | None = None
    missing: Missing | None = None
    beside: tuple[Reading, ...] = ()
    notes: tuple[str, ...] = ()
    table: StatisticTable | None = None
    per_trial: tuple[float, ...] = ()


def not_measured(reason: str, remedy: str) -> Finding:
    """A metric without a value."""
    return Finding(missing=Missing(reason, remedy))


def over_trials(label: str, unit: Unit, values: Sequence[Known]) -> Reading:
    """The median. Where one trial has only a lower bound, the median of the bounds bounds the median of the values;
    where one has nothing, neither has the run: leaving that trial out would flatter the rest.
    """
    known = [trial.value for trial in values if trial.value is not None]
    if not known or len(known) < len(values):
        return Reading(label, unit, None, trials=len(values))
    if any(trial.at_least for trial in values):
        return Reading(label, unit, float(np.median(known)), at_least=True, trials=len(values))
    found = median_interval(known)
    return Reading(label, unit, found.median, found.ci_low, found.ci_high, found.confidence, trials=len(values))


def extreme(label: str, unit: Unit, values: Sequence[Known], *, highest: bool) -> Reading:
    """The highest or lowest value of all trials together: an extreme has no interval over trials."""
    known = [trial.value for trial in values if trial.value is not None]
    whole = bool(known) and len(known) == len(values)
    value = (max(known) if highest else min(known)) if whole else None
    at_least = highest and any(trial.at_least for trial in values)
    how = "highest in" if highest else "lowest in"
    return Reading(label, unit, value, at_least=at_least, trials=len(values), how=how)


def exactly(values: Sequence[float]) -> list[Known]:
    """Values that are all known; infinite ones are not."""
    return [Known(value if math.isfinite(value) else None) for value in values]


def in_unit(value: float | None, unit: Unit) -> str:
    """A value with its unit; a dash where it is not known."""
    if value is None:
        return fmt.UNKNOWN
    match unit:
        case "rate":
            return fmt.rate(value)
        case "milliseconds":
            return fmt.milliseconds(value)
        case "seconds":
            return fmt.seconds(value)
        case "share":
            return share(value)
        case "ratio":
            return fmt.number(value)
        case "bytes":
            return fmt.size(value)
        case "bytes per second":
            return f"{fmt.size(value)}/s"
        case "bytes per transaction":
            return f"{fmt.size(value)} per tx"
        case "cpu":
            return fmt.cpu(value)


def share(value: float, digits: int = 2) -> str:
    """A share in percent. It says 100 % or 0 % only when it is exactly that."""
    text = f"{100 * value:.{digits}f}"
    if float(text) in (0.0, 100.0) and value not in (0.0, 1.0):
        text = f"{min(100 * value, 100 - 10.0**-digits):.{digits}f}" if value > 0.5 else f"< {10.0**-digits:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}{fmt.NBSP}%"
