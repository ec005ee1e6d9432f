"""May these runs be put side by side, and do they differ? Pure: results in, reasons and verdicts out.

Runs of other load or hardware are refused. Runs of another class are compared, with their class stated. Two runs differ
only if an interval says so; everything else is undecided, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from bench.measure.losses import TOLERATED_LOSS, without_latency_share
from bench.model.result import Percentiles, Result
from bench.report import format as fmt
from bench.report.classes import same_class
from bench.stats.interval import FEWEST_TRIALS, Difference, compare, median_interval

_LOAD_KEYS = ("workload", "arrival", "phases", "load")
_NOT_LOAD = ("load.master",)  # where the workers meet, not what they do
_SAME_OFFER = 0.01


@dataclass(frozen=True, slots=True)
class Candidate:
    """One run in a comparison. `label` is unique in its section; `hardware` is what of `environment` must be equal."""

    label: str
    result: Result
    scenario: Mapping[str, object]
    hardware: Mapping[str, str]
    environment: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A headline figure. `unit` is a key of `format.UNITS`."""

    name: str
    unit: str
    higher_is_better: bool
    key: str


METRICS = (
    Metric("Goodput", "rate", True, "goodput"),
    Metric("Time until final, p50", "milliseconds", False, "p50"),
    Metric("Time until final, p99", "milliseconds", False, "p99"),
)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """What can be said about one metric of two candidates: `finding` in a few words, `grounds` for it.

    `difference` is second minus first, in the metric's unit; its interval is None below five trials.
    """

    workload: str
    metric: Metric
    first: str
    second: str
    decided: bool
    finding: str
    grounds: str
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None

    @property
    def text(self) -> str:
        """One line for a terminal."""
        return f"{self.workload}, {self.metric.name}, {self.first} and {self.second}: {self.finding} ({self.grounds})"


def hardware(environment: Mapping[str, object]) -> dict[str, str]:
    """What of the environment must be equal. Memory is rounded: what a kernel reserves differs from boot to boot.

    Bounds that a container sets count as hardware; without one there is nothing to compare.
    """
    cpu, disk, bounds = (
        part if isinstance(part := environment.get(name), Mapping) else {} for name in ("cpu", "disk", "bounds")
    )
    memory = environment.get("memory_bytes")
    found = {f"processor {name}": cpu.get(name) for name in ("model", "architecture", "cores", "threads", "usable")}
    found |= {f"disk {name}": disk.get(name) for name in ("kind", "filesystem")}
    found["memory"] = fmt.size(float(memory)) if isinstance(memory, int | float) else None
    found |= {name: environment.get(name) for name in ("virtualisation", "network")}
    quota, limit = bounds.get("cpu_quota_cores"), bounds.get("memory_limit_bytes")
    found["processor quota"] = None if quota is None else f"{quota:g} cores"
    found["memory bound"] = None if limit is None else fmt.size(float(limit))
    return {name: str(value) for name, value in found.items() if value is not None}


def hardware_differences(first: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """What of `hardware` is not equal, in words."""
    names = dict.fromkeys((*first, *other))
    return [
        f"{fmt.words(name)} {first.get(name, 'unknown')} and {other.get(name, 'unknown')}"
        for name in names
        if first.get(name) != other.get(name)
    ]


def refusals(workload: str, candidates: Sequence[Candidate]) -> list[str]:
    """Every reason why these runs of one workload may not be compared; empty when they may."""
    if len(candidates) < 2:
        return [f"workload {workload}: only {candidates[0].label} ran it, and a comparison needs two runs"]
    reasons = []
    first = candidates[0]
    for other in candidates[1:]:
        pair = f"workload {workload}, {first.label} and {other.label}"
        reasons += [f"{pair}: different {difference}" for difference in _load_differences(first, other)]
        reasons += [
            f"{pair}: different hardware: {difference}"
            for difference in hardware_differences(first.hardware, other.hardware)
        ]
    return reasons


def class_differences(candidates: Sequence[Candidate]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What differs in kind, not in speed: (what, one text per candidate)."""
    return tuple((name, texts) for name, texts in class_table(candidates) if len(set(texts)) > 1)


def class_table(candidates: Sequence[Candidate]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The same with what they have in common."""
    return tuple((name, tuple(text(candidate.result) for candidate in candidates)) for name, text in _CLASS)


def pair_verdicts(workload: str, candidates: Sequence[Candidate], across_classes: bool) -> tuple[PairVerdict, ...]:
    """One verdict per pair and metric. A winner is named inside a class, or across classes if that was asked for."""
    return tuple(
        _judge(workload, metric, first, second, across_classes)
        for first, second in combinations(candidates, 2)
        for metric in METRICS
    )


def pair_verdict(workload: str, metric: Metric, first: Candidate, second: Candidate) -> PairVerdict:
    """One metric of two runs."""
    return _judge(workload, metric, first, second, False)


def values(result: Result, metric: Metric) -> list[float | None]:
    """The metric's value of each trial; None where it is not known."""
    if metric.key == "goodput":
        return [trial.rates.goodput_per_s for trial in result.trials]
    return [getattr(trial.latency_ms.finality, metric.key) for trial in result.trials]


def judged_values(result: Result, metric: Metric) -> list[float | None]:
    """The same as they are judged: goodput above the offered load is a backlog of the warm-up, and no merit."""
    if metric.key != "goodput":
        return values(result, metric)
    return [min(trial.rates.goodput_per_s, trial.rates.offered_per_s) for trial in result.trials]


def shown_value(result: Result, metric: Metric) -> str:
    """The median over trials, or what is known: "≥ 2 s"."""
    known = [value for value in values(result, metric) if value is not None]
    if result.trials and len(known) == len(result.trials):
        return fmt.UNITS[metric.unit](median_interval(known).median)
    unknown = [
        trial.latency_ms.finality for trial in result.trials if getattr(trial.latency_ms.finality, metric.key) is None
    ]
    return fmt.percentile(_lowest(unknown, metric.key), metric.key) if unknown else fmt.UNKNOWN


def shown_interval(result: Result, metric: Metric) -> str:
    """The interval around that median, or why there is none."""
    known = [value for value in values(result, metric) if value is not None]
    if len(known) < len(result.trials):
        return f"not known in {fmt.trials(len(result.trials) - len(known))}"
    return fmt.interval(median_interval(known), metric.unit)


def _judge(workload: str, metric: Metric, first: Candidate, second: Candidate, across: bool) -> PairVerdict:
    left, right = ([v for v in judged_values(side.result, metric) if v is not None] for side in (first, second))
    why = _undecidable(metric, first, second)
    if why:
        return PairVerdict(workload, metric, first.label, second.label, False, "undecided", why)
    found = compare(left, right, seed=first.result.seed)
    overlap = _overlap(left, right)
    decided = found.verdict == "different" and not overlap
    finding, grounds = "undecided", _interval_words(metric, found)
    if decided:
        finding = _difference_words(metric, first, second, found)
        grounds += _winner_words(metric, first, second, found, across)
    else:
        grounds = ("the two intervals overlap; " if overlap else "the difference may be zero; ") + grounds
    grounds += _capped_words(metric, first, second)
    return PairVerdict(
        workload,
        metric,
        first.label,
        second.label,
        decided,
        finding,
        grounds,
        found.difference,
        found.ci_low,
        found.ci_high,
    )


def _undecidable(metric: Metric, first: Candidate, second: Candidate) -> str:
    for side in (first, second):
        if side.result.summary.verdict.status != "valid":
            return f"the run on {side.label} is {side.result.summary.verdict.status}"
        if side.result.partial:
            return f"the run on {side.label} was cut short"
    fewest = min(len(first.result.trials), len(second.result.trials))
    if fewest < FEWEST_TRIALS:
        return f"{fmt.trials(fewest)}, and below {FEWEST_TRIALS} no interval is printed"
    for side in (first, second):
        if None in values(side.result, metric):
            return f"not known for {side.label}, too few samples or too many that never finished"
    lost = [_survivors_only(side) for side in (first, second)] if metric.key != "goodput" else []
    return "; ".join(words for words in lost if words)


def _survivors_only(side: Candidate) -> str:
    """Why the latencies of a run stand for themselves only; empty where next to nothing is missing from them."""
    worst = max((without_latency_share(trial) for trial in side.result.trials), default=0.0)
    if worst <= TOLERATED_LOSS:
        return ""
    return (
        f"{fmt.percent(worst, 1)} of what was offered to {side.label} was not sent, refused or failed, so its times "
        "are those of the rest"
    )


def _capped_words(metric: Metric, first: Candidate, second: Candidate) -> str:
    """Which runs were judged by less than they show."""
    above = [
        side.label
        for side in (first, second)
        if metric.key == "goodput" and judged_values(side.result, metric) != values(side.result, metric)
    ]
    return (
        f"; {fmt.listed(above)} counted with no more than was offered: the rest was due in the warm-up" if above else ""
    )


def _overlap(left: Sequence[float], right: Sequence[float]) -> bool:
    one, other = median_interval(left), median_interval(right)
    if one.ci_low is None or one.ci_high is None or other.ci_low is None or other.ci_high is None:
        return True
    return one.ci_low <= other.ci_high and other.ci_low <= one.ci_high


def _difference_words(metric: Metric, first: Candidate, second: Candidate, found: Difference) -> str:
    more, less = ("more", "less") if metric.unit == "rate" else ("longer", "shorter")
    size = fmt.UNITS[metric.unit](abs(found.difference))
    return f"{second.label}: {size} {more if found.difference > 0 else less} than {first.label}"


def _interval_words(metric: Metric, found: Difference) -> str:
    if found.ci_low is None or found.ci_high is None:
        return ""
    show = fmt.UNITS[metric.unit]
    low, high = (fmt.signed(show(abs(edge)), edge) for edge in (found.ci_low, found.ci_high))
    return f"difference {low} to {high}, {fmt.number(100 * found.confidence)}{fmt.NBSP}% confidence"


def _winner_words(metric: Metric, first: Candidate, second: Candidate, found: Difference, across: bool) -> str:
    if not across and not same_class(first.result.ledger, second.result.ledger):
        return "; different classes, so no winner is named"
    better = second if (found.difference > 0) == metric.higher_is_better else first
    return f"; {better.label} is better here"


def _load_differences(first: Candidate, other: Candidate) -> list[str]:
    found = []
    for key in _LOAD_KEYS:
        left, right = _flat(first.scenario.get(key), key), _flat(other.scenario.get(key), key)
        found += [
            f"load, {name}: {left.get(name, 'not set')} and {right.get(name, 'not set')}"
            for name in dict.fromkeys((*left, *right))
            if name not in _NOT_LOAD and left.get(name) != right.get(name)
        ]
    offers = [candidate.result.summary.offered_per_s.median for candidate in (first, other)]
    if not found and None not in offers and not _close(*(float(offer or 0) for offer in offers)):
        found.append(f"offered load: {fmt.rate(offers[0])} and {fmt.rate(offers[1])}")
    return found


def _flat(value: object, name: str) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {key: text for inner, part in value.items() for key, text in _flat(part, f"{name}.{inner}").items()}
    return {} if value is None else {name: str(value)}


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_OFFER * max(one, other)


def _lowest(unknown: Sequence[Percentiles], key: str) -> Percentiles:
    return min(unknown, key=lambda percentiles: percentiles.lower_bound.get(key, 0.0))


_CLASS = (
    ("Kind of ledger", lambda result: f"{result.ledger.family}, {fmt.counted(result.ledger.nodes, 'node')}"),
    (
        "Faults it survives",
        lambda result: (
            f"{result.ledger.ledger_class.fault_model} "
            f"(tolerates {fmt.count(result.ledger.ledger_class.tolerated_faults)})"
        ),
    ),
    ("How it keeps data", lambda result: result.ledger.ledger_class.durability),
    ("Signatures", lambda result: result.ledger.ledger_class.crypto),
    ("Who operates it", lambda result: result.ledger.ledger_class.operators),
    (
        "“Final” means",
        lambda result: (
            result.ledger.finality.name + (f" ({result.ledger.finality.deep})" if result.ledger.finality.deep else "")
        ),
    ),
)
