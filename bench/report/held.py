"""One run held against an earlier one of the same load: is it worse, does it repeat it, or can that not be told?

Pure. The figures and intervals are those of a comparison (`judgement`); only the questions are other ones. A question
is asked of a figure only where the earlier run states it: what was too few samples then is no promise to be kept now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from statistics import median

import yaml

from bench.bundle.reader import Bundle
from bench.report import format as fmt
from bench.report import judgement
from bench.report.judgement import METRICS, Candidate, Metric, PairVerdict
from bench.scenario.loader import load_scenario, load_sha256, resolved_yaml

EARLIER, LATER = "the earlier run", "the new run"
Question = Callable[[float, float, float, bool], "tuple[Answer, str]"]
"""(worse_low, worse_high, tolerance, whether the difference is decided) to the answer and its grounds."""


@unique
class Answer(StrEnum):
    """What can be said of one figure. The first four answer "is it worse?", the next two "does it repeat it?"."""

    REGRESSION = "regression"
    IMPROVED = "improved"
    NO_WORSE = "no worse"
    UNDECIDED = "undecided"
    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class Held:
    """One metric of a new run against the earlier one. `worse_low`, `worse_high`: the difference's interval as a share
    of the earlier median, positive where the new run is worse; None where there is no interval.
    """

    metric: Metric
    earlier: str
    later: str
    answer: Answer
    grounds: str
    worse_low: float | None = None
    worse_high: float | None = None
    verdict: PairVerdict | None = None


def candidate(bundle: Bundle, label: str) -> Candidate:
    """A bundle for these questions. Its scenario is resolved anew, so that keys which a later version added have their
    defaults in both.
    """
    return Candidate(label, bundle.result, _resolved(bundle.directory), judgement.hardware(bundle.environment))


def load_differs(earlier: Path, later: Path) -> bool:
    """Whether two bundles were loaded differently, by the digest that leaves out name, target and repeats."""
    return load_digest(earlier) != load_digest(later)


def load_digest(bundle: Path) -> str:
    """The digest of a bundle's load, made anew from its scenario for the same reason."""
    return load_sha256(load_scenario(bundle / "scenario.yaml"))


def regressions(earlier: Candidate, later: Candidate, tolerance: float) -> tuple[Held, ...]:
    """For each metric: is the new run worse by more than `tolerance` (a share of the earlier median) for certain?"""
    return tuple(_held(earlier, later, metric, tolerance, _is_worse) for metric in METRICS)


def agreements(earlier: Candidate, later: Candidate, tolerance: float) -> tuple[Held, ...]:
    """For each metric: does the new run repeat the earlier one? It does when the whole interval of the difference lies
    within `tolerance` on either side. That no difference was found is no agreement: a wide interval finds none either.
    """
    return tuple(_held(earlier, later, metric, tolerance, _repeats) for metric in METRICS)


def rows(found: Sequence[Held]) -> list[tuple[str, str, str, str, str]]:
    """For a terminal: metric, earlier, new, difference, answer with its grounds."""
    return [
        (
            one.metric.name,
            one.earlier,
            one.later,
            _edges(one),
            f"{one.answer}: {one.grounds}" if one.grounds else one.answer,
        )
        for one in found
    ]


def as_data(found: Sequence[Held]) -> list[dict[str, object]]:
    """The same for `--json`."""
    return [
        {
            "metric": one.metric.name,
            "answer": one.answer,
            "grounds": one.grounds,
            "difference": one.verdict.difference if one.verdict else None,
            "ci_low": one.verdict.ci_low if one.verdict else None,
            "ci_high": one.verdict.ci_high if one.verdict else None,
            "worse_low_share": one.worse_low,
            "worse_high_share": one.worse_high,
        }
        for one in found
    ]


def _held(earlier: Candidate, later: Candidate, metric: Metric, tolerance: float, ask: Question) -> Held:
    shown = [judgement.shown_value(side.result, metric) for side in (earlier, later)]
    if None in judgement.values(earlier.result, metric):
        return Held(metric, shown[0], shown[1], Answer.NOT_STATED, f"{earlier.label} does not state it")
    verdict = judgement.pair_verdict(earlier.result.workload, metric, earlier, later)
    reference = _median(earlier, metric)
    if verdict.ci_low is None or verdict.ci_high is None or not reference:
        why = verdict.grounds if reference else f"it is 0 in {earlier.label}"
        return Held(metric, shown[0], shown[1], Answer.UNDECIDED, why, verdict=verdict)
    edges = (verdict.ci_low / reference, verdict.ci_high / reference)
    low, high = (-edges[1], -edges[0]) if metric.higher_is_better else edges
    answer, grounds = ask(low, high, tolerance, verdict.decided)
    return Held(metric, shown[0], shown[1], answer, grounds, low, high, verdict)


def _is_worse(low: float, high: float, tolerance: float, decided: bool) -> tuple[Answer, str]:
    if decided and low > tolerance:
        return Answer.REGRESSION, "worse for certain" + (f" by more than {_share(tolerance)}" if tolerance else "")
    if decided and high < 0:
        return Answer.IMPROVED, "better for certain"
    if high <= tolerance:
        return Answer.NO_WORSE, f"at most {_share(max(high, 0))} worse"
    return Answer.UNDECIDED, f"may be up to {_share(high)} worse; more trials would narrow it"


def _repeats(low: float, high: float, tolerance: float, decided: bool) -> tuple[Answer, str]:
    if -tolerance <= low and high <= tolerance:
        return Answer.AGREES, f"within ± {_share(tolerance)}"
    outside = low > tolerance or high < -tolerance
    if outside and decided:
        return Answer.DIFFERS, f"outside ± {_share(tolerance)}" if tolerance else "the difference is not zero"
    if outside:
        return Answer.UNDECIDED, "the difference leaves zero out, but the two intervals overlap"
    return Answer.UNDECIDED, f"may differ by up to {_share(max(-low, high))}; more trials would narrow it"


def _median(side: Candidate, metric: Metric) -> float:
    known = [value for value in judgement.values(side.result, metric) if value is not None]
    return median(known) if known else 0.0


def _edges(one: Held) -> str:
    verdict = one.verdict
    if verdict is None or verdict.ci_low is None or verdict.ci_high is None:
        return fmt.UNKNOWN
    show = fmt.UNITS[one.metric.unit]
    return " to ".join(fmt.signed(show(abs(edge)), edge) for edge in (verdict.ci_low, verdict.ci_high))


def _share(value: float) -> str:
    return f"{100 * value:.3g}{fmt.NBSP}%"


def _resolved(directory: Path) -> dict[str, object]:
    loaded = yaml.safe_load(resolved_yaml(load_scenario(directory / "scenario.yaml")))
    return dict(loaded)
