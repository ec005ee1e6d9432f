"""From a measured trial to an attempt, and from a search to what is published of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.measure.inputs import TrialInput
from bench.measure.summary import summarise
from bench.model.phase import Outcome
from bench.model.result import full_length_rates
from bench.run.attempts import at_low_end, attempt_of, conclude
from bench.run.search import Ask, Rules, Search
from tests.support.attempts import Ledger, attempt, steady
from tests.support.rows import chain, trial_input, worker_cpu, write

S = 1_000_000_000
ASKED = Ask("probe", 100.0, S, 10 * S)
STAMPS = [1_000 * k for k in range(21)]


def measured(*, served: float = 1.0, late_ms: float = 1.0, cpu: float = 30) -> TrialInput:
    """100 per second from 0 to 11 s, each in the next block of a second; a share of them is never served."""
    rows = []
    for k in range(1_100):
        due = 10.0 * k
        if k % 100 < round(100 * served):
            block = int(due // 1_000) + 1
            rows.append(write(due, submitted=due + late_ms, committed=1_000 * block, block=block, position=k % 100))
        else:
            rows.append(write(due, submitted=due + late_ms, outcome=Outcome.UNRESOLVED))
    return trial_input(rows, chain(STAMPS, 100), resources=[worker_cpu(cpu)])


def test_a_trial_that_was_served_in_full_passed() -> None:
    found = attempt_of(ASKED, measured(), summarise(measured()), None)
    assert found.passed, found.reasons
    assert found.reasons == []
    assert found.kind == "probe"
    assert found.offered_per_s == 100
    assert found.goodput_per_s == 100
    assert found.served_share == 1.0
    assert found.duration_s == 10
    assert found.block_interval_s == 1.0
    assert found.finality_p50_ms == 500.0
    assert found.finality_p99_ms == 990.0
    assert not found.harness_bound


def test_a_service_level_is_held_against_its_finality() -> None:
    trial = measured()
    assert attempt_of(ASKED, trial, summarise(trial), 990_000_000).passed
    failed = attempt_of(ASKED, trial, summarise(trial), 989_000_000)
    assert not failed.passed
    assert "service level" in failed.reasons[0]


@pytest.mark.parametrize(
    ("served", "late_ms", "cpu", "harness_bound"),
    [
        pytest.param(0.5, 20, 30, False, id="half unserved, sends a little late: the ledger's"),
        pytest.param(0.5, 200, 30, True, id="sends so late that they may explain it"),
        pytest.param(0.95, 20, 30, True, id="little unserved"),
        pytest.param(0.5, 1, 90, True, id="the worker had no time to look"),
        pytest.param(0.5, 1, 30, False, id="nothing wrong with the harness"),
        pytest.param(1.0, 20, 30, True, id="served, but late: no pass"),
    ],
)
def test_whose_fault_a_failed_trial_is(served: float, late_ms: float, cpu: float, harness_bound: bool) -> None:
    trial = measured(served=served, late_ms=late_ms, cpu=cpu)
    found = attempt_of(ASKED, trial, summarise(trial), None)
    assert not found.passed
    assert found.harness_bound is harness_bound


def searched(ledger: Ledger, most: int = 1_000, **rules: object) -> Search:
    search = Search(Rules(**({"start_per_s": 100.0} | rules)))  # type: ignore[arg-type]
    while search.ask is not None and len(search.attempts) < most:
        number = len(search.attempts) + 1
        search.take(ledger(search.ask).model_copy(update={"trial": number}))
    return search


def test_what_is_published_of_a_whole_search() -> None:
    search = searched(steady(330))
    found = conclude(search, "converged", estimate=False, notes=["a remark"])
    assert found.low_per_s == pytest.approx(0.99 * search.low)  # type: ignore[operator]
    assert found.high_per_s == search.high
    assert (found.confirmed_passes, found.confirmed_trials) == (5, 5)
    rates = {one.offered_per_s for one in search.attempts if one.kind == "confirm"}
    assert found.pass_probability_low == pytest.approx((0.05 / len(rates)) ** (1 / 5), abs=1e-6)
    assert len(rates) == 2
    assert found.goodput_per_s.median == pytest.approx(min(330, search.low or 0))
    assert found.goodput_per_s.trials == 5
    assert not found.estimate
    assert found.slo == {}
    assert list(found.latency_at) == ["50", "80", "95"]
    assert found.latency_at["80"] == {"p50": 100.0, "p99": 200.0}
    assert found.attempts == search.attempts
    assert found.notes == ["a remark"]
    assert found.fit is not None
    assert found.fit.points > 10


def test_the_summary_is_over_the_trials_at_the_low_end() -> None:
    search = searched(steady(330))
    found = conclude(search, "converged", estimate=False)
    made = summarise(measured())
    trials = [made.model_copy(update={"trial": one.trial}) for one in search.attempts]
    chosen = at_low_end(found, trials)
    assert len(chosen) == 5
    assert [one.trial for one in chosen] == [one.trial for one in search.full(search.low or 0)]


def test_a_search_that_is_not_over_says_what_it_lacks() -> None:
    nothing = conclude(searched(steady(330), most=0), "interrupted", estimate=False)
    assert (nothing.low_per_s, nothing.high_per_s, nothing.confirmed_trials) == (None, None, 0)
    assert nothing.fit is None
    probes = conclude(searched(steady(330), most=3), "budget", estimate=False)
    assert probes.estimate
    assert "short probes only" in probes.notes[0]
    assert "the high end is not established" in probes.notes[1]
    whole = searched(steady(330))
    first = next(number for number, one in enumerate(whole.attempts, 1) if one.kind == "confirm")
    partly = conclude(searched(steady(330), most=first + 2), "budget", estimate=False)
    assert not partly.estimate
    assert partly.notes[0] == "the low end passed 2 of the 5 full-length trials it was to pass"
    rising = conclude(searched(steady(330), most=1), "budget", estimate=False)
    assert rising.high_per_s is None
    assert rising.notes[-1] == "no upper end: nothing failed so far"


def test_until_it_is_established_the_high_end_is_a_rate_that_failed_clearly() -> None:
    """Limit 330: probes at 400 (82 % served) and 336 (98 %) fail; full-length trials have not been tried."""
    search = searched(steady(330), most=8)
    assert search.high is not None
    assert 330 < search.high < 370
    assert conclude(search, "budget", estimate=False).high_per_s == 400
    whole = searched(steady(330))
    assert conclude(whole, "converged", estimate=False).high_per_s == whole.high


def test_without_a_clear_failure_there_is_no_high_end() -> None:
    """At most 8 % above the limit is tried, where 92 % are served."""

    def judged(asked: Ask):  # type: ignore[no-untyped-def]
        return attempt(asked, asked.offered_per_s < 330, served_share=1.0 if asked.offered_per_s < 330 else 0.92)

    search = searched(judged, most=6)
    assert search.high is not None
    found = conclude(search, "budget", estimate=False)
    assert found.high_per_s is None
    assert any(f"from {search.high:,.4g}/s on trials failed, but none so clearly" in note for note in found.notes)


def test_rates_that_had_their_chance_lower_what_five_passes_say() -> None:
    turns = iter([False, False, False] + [True] * 100)

    def judged(asked: Ask):  # type: ignore[no-untyped-def]
        if asked.kind == "confirm" and asked.offered_per_s <= 330:
            return attempt(asked, next(turns))
        return steady(330)(asked)

    search = searched(judged)
    found = conclude(search, "converged", estimate=False)
    rates = full_length_rates(search.attempts)
    assert rates >= 4
    assert (found.confirmed_passes, found.confirmed_trials) == (5, 5)
    assert found.pass_probability_low == pytest.approx((0.05 / rates) ** (1 / 5), abs=1e-6)
    assert found.pass_probability_low < 0.45


def test_without_an_upper_end_the_harness_is_named() -> None:
    search = searched(lambda asked: attempt(asked, asked.offered_per_s < 250, harness_bound=asked.offered_per_s >= 250))
    found = conclude(search, "harness-bound", estimate=False)
    assert found.high_per_s is None
    assert found.low_per_s is not None
    assert "the harness, and not the ledger, was at its limit" in found.notes[0]
    assert all(one.harness_bound for one in found.attempts if one.offered_per_s >= 250)


def test_a_wide_interval_says_why() -> None:
    """Between 240 and 330 every other full-length trial fails."""
    turns = iter([True, False] * 100)

    def judged(asked: Ask):  # type: ignore[no-untyped-def]
        if asked.kind == "confirm" and 240 < asked.offered_per_s < 330:
            return attempt(asked, next(turns))
        return steady(300)(asked)

    found = conclude(searched(judged), "converged", estimate=False)
    assert any("wider than the 5% aimed at" in note for note in found.notes)


def test_a_service_level_is_published_with_the_interval() -> None:
    found = conclude(searched(steady(330), slo_ms=2_500.0), "converged", estimate=True)
    assert found.slo == {"finality_p99_ms": 2_500.0}
    assert found.estimate


def test_an_unknown_percentile_keeps_its_lower_bound() -> None:
    trial = measured(served=0.5)
    late = replace(trial, incidents=trial.incidents)
    found = attempt_of(ASKED, late, summarise(late), None)
    assert found.finality_p99_ms is None
    assert found.finality_p99_at_least_ms is not None
    assert found.finality_p99_at_least_ms > 1_000
