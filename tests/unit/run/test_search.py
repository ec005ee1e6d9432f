"""The search against scripted judgements: what it asks for, what it concludes, and that it can be gone through
again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.model.errors import ConfigurationError
from bench.model.result import CapacityAttempt
from bench.run.search import CLEAR_SHARE, TOLERANCE, Ask, Rules, Search
from tests.support.attempts import Ledger, attempt, steady

S = 1_000_000_000
RULES = Rules(start_per_s=100, curve=())


def explore(ledger: Ledger, rules: Rules = RULES, most: int = 200) -> Search:
    search = Search(rules)
    while search.ask is not None and len(search.attempts) < most:
        search.take(ledger(search.ask))
    return search


@pytest.mark.parametrize("limit", [0.7, 12.3, 99.9, 100.0, 101.0, 431.7, 70_000.0])
def test_a_steady_ledgers_limit_lies_in_an_interval_of_the_stated_width(limit: float) -> None:
    search = explore(steady(limit))
    assert search.ended == "converged"
    assert search.low is not None
    assert search.high is not None
    assert search.low * (1 - TOLERANCE) <= limit <= search.high
    assert search.high / (search.low * (1 - TOLERANCE)) - 1 <= 0.052
    assert [one.passed for one in search.full(search.low)] == [True] * 5
    assert len(search.full(search.high)) >= 2
    assert len(search.attempts) < 45


@given(st.floats(1, 100_000), st.floats(1, 100_000), st.sampled_from([0.02, 0.05, 0.2]))
def test_whatever_the_limit_and_the_start_it_is_found(limit: float, start: float, resolution: float) -> None:
    search = explore(steady(limit), Rules(start_per_s=start, resolution=resolution, curve=()))
    assert search.low is not None
    assert search.high is not None
    assert search.low * (1 - TOLERANCE) <= limit * 1.0001
    assert search.high * 1.0001 >= limit


def test_it_doubles_then_bisects_then_tries_both_ends_at_full_length() -> None:
    asked = [(one.kind, one.offered_per_s) for one in explore(steady(330)).attempts]
    assert asked[:4] == [("probe", 100.0), ("probe", 200.0), ("probe", 400.0), ("probe", 282.8)]
    kinds = [kind for kind, _ in asked]
    assert kinds == ["probe"] * kinds.count("probe") + ["confirm"] * kinds.count("confirm")
    first_low, first_high = asked[kinds.count("probe")][1], asked[kinds.count("probe") + 1][1]
    assert first_low <= 330 <= first_high


def test_the_same_trials_lead_to_the_same_next_one() -> None:
    whole = explore(steady(431.7), Rules(start_per_s=100))
    for known in range(len(whole.attempts)):
        again = Search(Rules(start_per_s=100))
        for one in whole.attempts[:known]:
            again.take(one)
        assert again.ask is not None
        assert again.ask.kind == whole.attempts[known].kind
        assert again.ask.offered_per_s == whole.attempts[known].offered_per_s


@pytest.mark.parametrize(
    "changes", [{"kind": "confirm"}, {"offered_per_s": 101.0}, {"duration_s": 5.0}], ids=["kind", "rate", "length"]
)
def test_another_trial_than_asked_for_is_refused(changes: dict[str, object]) -> None:
    search = Search(RULES)
    assert search.ask is not None
    with pytest.raises(ConfigurationError, match="probe at 100/s over 10 s"):
        search.take(attempt(search.ask, True, **changes))


def test_nothing_more_is_taken_at_the_end() -> None:
    search = explore(steady(300))
    with pytest.raises(ConfigurationError, match="asked for here: nothing"):
        search.take(search.attempts[-1])


def test_one_probe_that_fails_by_chance_does_not_decide() -> None:
    failing = iter([False])

    def judged(asked: Ask) -> CapacityAttempt:
        if asked.offered_per_s == 200 and not next(failing, True):
            return attempt(asked, False, served_share=CLEAR_SHARE + 0.01)
        return steady(330)(asked)

    search = explore(judged)
    assert [one.offered_per_s for one in search.attempts[:5]] == [100, 200, 200, 200, 400]
    assert search.low is not None
    assert search.low > 300


def test_a_bracket_that_two_bad_probes_put_too_low_is_left_again() -> None:
    """Full-length trials at the ends find out, and the search goes up from there."""
    bad = iter([False, False])

    def judged(asked: Ask) -> CapacityAttempt:
        if asked.offered_per_s == 200 and asked.kind == "probe" and not next(bad, True):
            return attempt(asked, False)
        return steady(1000)(asked)

    search = explore(judged)
    assert search.low is not None
    assert search.high is not None
    assert search.low * 0.99 <= 1000 <= search.high
    assert search.high / search.low < 1.06


def test_where_full_length_trials_fail_below_the_probes_limit_lower_rates_are_confirmed() -> None:
    """A ledger that looks well for ten seconds."""
    search = explore(lambda asked: steady(400 if asked.kind == "probe" else 300)(asked))
    assert search.low is not None
    assert search.high is not None
    assert search.low * 0.99 <= 300 <= search.high
    assert search.confirmed
    assert search.established


def test_failures_that_differ_from_trial_to_trial_move_the_upper_end_up() -> None:
    """Just above 300 trials fail by anything from 1.2 to 9 %: that is no proof. From 330 on there is no doubt."""
    shares: Iterator[float] = iter([0.985, 0.91, 0.988, 0.90] * 50)

    def judged(asked: Ask) -> CapacityAttempt:
        if 303 < asked.offered_per_s < 330:
            return attempt(asked, False, served_share=next(shares))
        return steady(300)(asked)

    search = explore(judged)
    assert search.established
    assert search.high is not None
    assert search.high >= 330


def test_what_measures_the_harness_is_repeated_and_then_ends_the_way_up() -> None:
    def judged(asked: Ask) -> CapacityAttempt:
        if asked.offered_per_s >= 250:
            return attempt(asked, False, harness_bound=True)
        return steady(10_000)(asked)

    search = explore(judged)
    assert search.ended == "harness-bound"
    assert search.harness_at == search.high
    assert search.low is not None
    assert search.high is not None
    assert 240 < search.low < 250 <= search.high
    assert [one.offered_per_s for one in search.attempts].count(400) == 3
    assert search.confirmed


def test_one_trial_that_measures_the_harness_is_simply_repeated() -> None:
    disturbed = iter([True])

    def judged(asked: Ask) -> CapacityAttempt:
        if asked.kind == "confirm" and next(disturbed, False):
            return attempt(asked, False, harness_bound=True)
        return steady(300)(asked)

    search = explore(judged)
    assert search.ended == "converged"
    assert search.harness_at is None


def test_a_ledger_that_sustains_nothing_is_told_so() -> None:
    search = explore(lambda asked: attempt(asked, False, served_share=0.0))
    assert search.ended == "nothing-passed"
    assert search.low is None
    assert min(one.offered_per_s for one in search.attempts) < 0.001


def test_a_short_look_at_slow_blocks_is_repeated_long_enough() -> None:
    search = Search(RULES)
    assert search.ask is not None
    assert search.ask.measure_ns == 10 * S
    search.take(attempt(search.ask, False, block_interval_s=None))
    assert search.ask is not None
    assert search.ask.offered_per_s == 100
    assert search.ask.measure_ns > 20 * S
    search.take(attempt(search.ask, True, block_interval_s=12.0))
    assert search.ask is not None
    assert search.ask.offered_per_s == 100
    assert search.ask.measure_ns == 13 * 12 * S
    assert search.ask.warm_up_ns == 24 * S
    search.take(attempt(search.ask, True, block_interval_s=12.0))
    assert search.ask is not None
    assert search.ask.offered_per_s == 200


def test_a_service_level_asks_for_trials_long_enough_for_its_percentile() -> None:
    search = Search(Rules(start_per_s=50, operations=1_100, slo_ms=1_000, curve=()))
    assert search.ask is not None
    assert search.ask.measure_ns == 22 * S


def test_warm_up_is_as_long_as_slow_finality() -> None:
    search = Search(RULES)
    assert search.ask is not None
    assert search.ask.warm_up_ns == 3 * S
    search.take(attempt(search.ask, True, finality_p99_ms=8_000.0))
    assert search.ask is not None
    assert search.ask.warm_up_ns == 8 * S


def test_latency_decides_where_there_is_a_service_level() -> None:
    """Throughput holds to 1,000; finality passes the bound at 300."""

    def judged(asked: Ask) -> CapacityAttempt:
        latency = 1_000 * (asked.offered_per_s / 300) ** 4
        return attempt(asked, latency <= 1_000, served_share=1.0, finality_p99_ms=latency)

    search = explore(judged, Rules(start_per_s=100, slo_ms=1_000, curve=()))
    assert search.ended == "converged"
    assert search.low is not None
    assert search.high is not None
    assert search.low * 0.99 <= 300 <= search.high


def test_at_the_end_come_trials_at_shares_of_the_result() -> None:
    search = explore(steady(431.7), Rules(start_per_s=100))
    assert search.low is not None
    curve = [one.offered_per_s for one in search.attempts if one.kind == "curve"]
    assert curve == pytest.approx([search.low * share for share in (0.5, 0.8, 0.95)], rel=1e-3)
    assert search.attempts[-1].kind == "curve"


def test_a_resolution_below_the_tolerance_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="finer than what a trial can tell"):
        Search(Rules(start_per_s=1, resolution=0.01))


@pytest.mark.parametrize("harness_bound", [False, True], ids=["unseen", "refused"])
def test_where_nothing_ever_becomes_final_the_search_ends_undecided_after_three_rates(harness_bound: bool) -> None:
    search = explore(lambda asked: attempt(asked, False, served_share=0.0, undecided=True, harness_bound=harness_bound))
    assert search.ended == "undecided"
    assert search.low is None
    assert [one.offered_per_s for one in search.attempts] == [100, 50, 25]


def test_an_overload_before_and_nothing_final_at_every_lower_rate_is_undecided() -> None:
    search = explore(lambda asked: attempt(asked, False, served_share=0.1, undecided=asked.offered_per_s < 100))
    assert search.ended == "undecided"
    assert [one.offered_per_s for one in search.attempts] == [100, 50, 25, 12.5]


def test_a_load_under_which_nothing_becomes_final_is_a_failure_once_a_lower_one_passed() -> None:
    def judged(asked: Ask) -> CapacityAttempt:
        if asked.offered_per_s > 60:
            return attempt(asked, False, served_share=0.0, undecided=True)
        return steady(1_000)(asked)

    search = explore(judged)
    assert search.ended == "converged"
    assert search.low is not None
    assert search.high is not None
    assert search.low * 0.99 <= 60 <= search.high


def test_a_warm_up_shorter_than_finality_is_made_longer_at_the_same_rate() -> None:
    """Finality of 400 s: it is told by the first trial, and kept by all until one that passed says better."""
    search = Search(RULES)
    assert search.ask is not None
    search.take(attempt(search.ask, False, served_share=0.0, undecided=True, warm_up_needed_s=400.0))
    assert search.ask is not None
    assert (search.ask.offered_per_s, search.ask.warm_up_ns) == (100, 400 * S)
    search.take(attempt(search.ask, False, served_share=0.5))
    assert search.ask is not None
    assert (search.ask.offered_per_s, search.ask.warm_up_ns) == (50, 400 * S)
    search.take(attempt(search.ask, True, finality_p99_ms=390_000.0))
    assert search.ask is not None
    assert search.ask.warm_up_ns == 390 * S


def test_a_warm_up_that_never_becomes_long_enough_is_not_asked_for_without_end() -> None:
    needed = iter(range(10, 10_000, 10))
    search = explore(
        lambda asked: attempt(asked, False, served_share=0.0, undecided=True, warm_up_needed_s=float(next(needed)))
    )
    assert search.ended == "undecided"
    assert [one.offered_per_s for one in search.attempts].count(100) == 4
    assert len(search.attempts) == 12
