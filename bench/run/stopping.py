"""Whether another round of trials is worth running: pure, from the trials that are there and the scenario's rule."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto, unique

from bench.model.reasons import lasting
from bench.model.result import Trial
from bench.scenario.stopping import Stopping
from bench.stats.interval import enough_trials, median_interval


@unique
class State(Enum):
    """Of one target. OPEN: more trials could still narrow the interval; the others end it."""

    OPEN = auto()
    NARROW = auto()
    SPOILED = auto()


def state(trials: Sequence[Trial], rule: Stopping) -> State:
    """Where one target stands. What spoils a run for good (an invalid trial, a warm-up that is too short, a ledger on
    which nothing becomes final, a percentile that one trial could not give) is not mended by further trials.
    """
    figures = [_figure(trial, rule) for trial in trials]
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(figures) or any(_spoils(trial) for trial in trials):
        return State.SPOILED
    return State.NARROW if enough_trials(known, rule.width) else State.OPEN


def go_on(rounds: int, fewest: int, rule: Stopping | None, targets: Sequence[Sequence[Trial]]) -> bool:
    """Whether to run another round after `rounds` of them; `targets` are the trials of those that can still run."""
    if rounds < fewest:
        return True
    if rule is None or rounds >= rule.most_trials:
        return False
    return any(state(trials, rule) is State.OPEN for trials in targets)


def remark(trials: Sequence[Trial], rule: Stopping) -> str:
    """How it ended for one target, for the notes of its result."""
    name, width = rule.metric.replace("_", " "), f"{100 * rule.width:g} %"
    ended = state(trials, rule)
    if ended is State.SPOILED:
        return (
            f"Stopping rule: {name} to ± {width} could not be reached, because a trial is invalid, its warm-up was too "
            f"short, nothing became final, or its figure is not known; stopped after {len(trials)} trials."
        )
    if ended is State.OPEN:
        reached = _half_width([figure for trial in trials if (figure := _figure(trial, rule)) is not None])
        return f"Stopping rule: {name} to ± {width} was not reached within {len(trials)} trials" + (
            f"; half the interval is {100 * reached:.3g} % of the median." if reached is not None else "."
        )
    return (
        f"Stopping rule: {name} was known to ± {width} after {len(trials)} trials. An interval whose width "
        "decided when to stop holds less often than it states; docs/scenario.md says by how much."
    )


def _spoils(trial: Trial) -> bool:
    return trial.verdict.status == "invalid" or lasting(trial.verdict)


def _figure(trial: Trial, rule: Stopping) -> float | None:
    return trial.rates.goodput_per_s if rule.metric == "goodput" else trial.latency_ms.finality.p99


def _half_width(values: Sequence[float]) -> float | None:
    found = median_interval(values)
    if found.ci_low is None or found.ci_high is None or not found.median:
        return None
    return (found.ci_high - found.ci_low) / 2 / abs(found.median)
