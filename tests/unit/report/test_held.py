"""Worse, no worse, or undecided; agrees, differs, or undecided: from trials with known differences."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Result
from bench.report.held import Answer, agreements, as_data, regressions, rows
from bench.report.judgement import Candidate
from tests.support.bundles import synthetic_bundle

BASE = [100.0, 100.2, 99.9, 100.1, 99.8, 100.3]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    path = synthetic_bundle(tmp_path_factory.mktemp("held") / "b", workload="transfer", trials=1, seconds=3)
    return read_bundle(path).result


def candidate(result: Result, label: str, goodput: list[float], p99: list[float | None]) -> Candidate:
    """The run with these figures per trial; p50 is that of the bundle in every trial."""
    first = result.trials[0]
    trials = []
    for number, (through, slow) in enumerate(zip(goodput, p99, strict=True), start=1):
        finality = first.latency_ms.finality.model_copy(update={"p50": 10.0, "p99": slow})
        trials.append(
            first.model_copy(
                update={
                    "trial": number,
                    "rates": first.rates.model_copy(update={"goodput_per_s": through}),
                    "latency_ms": first.latency_ms.model_copy(update={"finality": finality}),
                }
            )
        )
    return Candidate(label, result.model_copy(update={"trials": trials}), {}, {})


def scaled(factor: float) -> list[float]:
    return [factor * value for value in BASE]


def held(result: Result, factor: float, tolerance: float) -> list[Answer]:
    """Goodput divided and p99 multiplied by `factor`: both are worse above 1."""
    earlier = candidate(result, "old", BASE, [*BASE])
    later = candidate(result, "new", scaled(1 / factor), [*scaled(factor)])
    return [one.answer for one in regressions(earlier, later, tolerance)]


@pytest.mark.parametrize(
    ("factor", "tolerance", "expected"),
    [
        (1.10, 0.0, Answer.REGRESSION),
        (1.10, 0.05, Answer.REGRESSION),
        (1.03, 0.0, Answer.REGRESSION),
        (1.03, 0.05, Answer.NO_WORSE),
        (1.0501, 0.05, Answer.UNDECIDED),
        (1.0, 0.0, Answer.UNDECIDED),
        (1.0, 0.05, Answer.NO_WORSE),
        (0.90, 0.0, Answer.IMPROVED),
        (0.90, 0.05, Answer.IMPROVED),
    ],
)
def test_is_it_worse(result: Result, factor: float, tolerance: float, expected: Answer) -> None:
    goodput, _, p99 = held(result, factor, tolerance)
    if factor != 1.0501:  # a quotient and a product are not the same distance from the tolerance
        assert goodput is expected
    assert p99 is expected


@pytest.mark.parametrize(
    ("factor", "tolerance", "expected"),
    [
        (1.0, 0.0, Answer.UNDECIDED),
        (1.0, 0.01, Answer.AGREES),
        (1.05, 0.05, Answer.UNDECIDED),
        (1.03, 0.05, Answer.AGREES),
        (1.10, 0.0, Answer.DIFFERS),
        (0.90, 0.0, Answer.DIFFERS),
        (1.10, 0.2, Answer.AGREES),
        (0.90, 0.2, Answer.AGREES),
        (1.10, 0.05, Answer.DIFFERS),
    ],
)
def test_does_it_repeat(result: Result, factor: float, tolerance: float, expected: Answer) -> None:
    earlier = candidate(result, "old", BASE, [*BASE])
    later = candidate(result, "new", scaled(factor), [*scaled(factor)])
    goodput, p50, p99 = agreements(earlier, later, tolerance)
    assert (goodput.answer, p50.answer, p99.answer) == (expected, Answer.AGREES, expected)


def test_trials_that_scatter_do_not_agree_because_nothing_was_found(result: Result) -> None:
    earlier = candidate(result, "old", [100, 100.2, 99.8, 100.1, 99.9], [10.0] * 5)
    later = candidate(result, "new", [40, 90, 70, 150, 200], [10.0] * 5)
    goodput, _, p99 = agreements(earlier, later, 0.05)
    assert goodput.answer is Answer.UNDECIDED
    assert "may differ by up to" in goodput.grounds
    assert p99.answer is Answer.AGREES


def test_the_interval_is_told_as_a_share_that_is_positive_where_it_is_worse(result: Result) -> None:
    earlier = candidate(result, "old", BASE, [*BASE])
    later = candidate(result, "new", scaled(0.9), [*scaled(1.2)])
    goodput, _, p99 = regressions(earlier, later, 0.0)
    assert goodput.worse_low == pytest.approx(0.10, abs=0.005)
    assert p99.worse_low == pytest.approx(0.20, abs=0.006)
    assert as_data([goodput])[0]["ci_high"] == pytest.approx(-10, abs=0.5)
    assert rows([p99])[0][4].startswith("regression: worse for certain")


def test_fewer_than_five_trials_decide_nothing(result: Result) -> None:
    earlier = candidate(result, "old", BASE, [*BASE])
    later = candidate(result, "new", scaled(0.5)[:4], [*scaled(2)][:4])
    for found in (regressions(earlier, later, 0.0), agreements(earlier, later, 0.0)):
        assert {one.answer for one in found} == {Answer.UNDECIDED}
        assert "below 5 no interval is printed" in found[0].grounds


def test_what_the_earlier_run_does_not_state_is_not_asked(result: Result) -> None:
    earlier = candidate(result, "old", BASE, [100.0, None, 100.0, 100.0, 100.0, 100.0])
    later = candidate(result, "new", BASE, [*BASE])
    assert regressions(earlier, later, 0.05)[2].answer is Answer.NOT_STATED
    assert agreements(later, earlier, 0.05)[2].answer is Answer.UNDECIDED, "stated before, unknown now"


def test_an_interval_without_zero_whose_sides_overlap_is_undecided(result: Result) -> None:
    earlier = candidate(result, "old", [100, 101, 102, 103, 104, 110], [*BASE])
    later = candidate(result, "new", [109, 111, 112, 113, 114, 115], [*BASE])
    found = agreements(earlier, later, 0.0)[0]
    assert found.verdict is not None
    assert found.verdict.ci_low is not None
    assert found.verdict.ci_low > 0
    assert found.answer is Answer.UNDECIDED


def test_an_invalid_run_decides_nothing(result: Result, tmp_path: Path) -> None:
    earlier = candidate(result, "old", BASE, [*BASE])
    broken = result.summary.model_copy(
        update={"verdict": result.summary.verdict.model_copy(update={"status": "invalid"})}
    )
    later = candidate(result.model_copy(update={"summary": broken}), "new", scaled(0.5), [*BASE])
    assert {one.answer for one in regressions(earlier, later, 0.0)} == {Answer.UNDECIDED}
