import pytest

from bench.measure.summary import summarise
from bench.measure.sustainable import sustained
from bench.model.phase import Outcome, Phase, PhaseSpan
from bench.model.result import Percentiles
from bench.model.transaction import ErrorClass
from tests.support.queues import S, queued_trial
from tests.support.rows import chain, trial_input, worker_cpu, write

STAMPS = range(500, 20_001, 500)


def judged(trial, slo_ns=None):
    return sustained(trial, summarise(trial), slo_ns, seed=1)


def filled(lost=0, per_block=100):
    """100 a block, one each half second; in the measure phase the first `lost` of every block are refused."""
    rows = []
    for stamp in STAMPS:
        refused = lost if stamp > 1_000 else 0
        rows += [
            write(stamp - 4 * number - 20, committed=stamp)
            if number >= refused
            else write(stamp - 4 * number - 20, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)
            for number in range(per_block)
        ]
    return rows


def test_a_ledger_that_keeps_up_passes_by_hand():
    found = judged(trial_input(filled(), chain(STAMPS)), slo_ns=S)
    assert (found.passed, found.harness_bound, found.reasons) == (True, False, [])
    assert (found.served_share, found.in_flight_slope_upper_per_s) == (1.0, 0.0)
    assert found.in_flight_mean == pytest.approx(200 * 0.218)  # 200/s, final after 20 to 416 ms


@pytest.mark.parametrize(("lost", "passed"), [(1, True), (2, False)])
def test_ninety_nine_percent_must_come_through(lost, passed):
    found = judged(trial_input(filled(lost), chain(STAMPS)))
    assert found.served_share == pytest.approx(1 - lost / 100)
    assert found.passed is passed
    if not passed:
        assert found.reasons == [
            "98.00% of what was offered came through (1,960 of 2,000, 20 blocks), at least 99% is needed",
            "2.00% of the writes due in the measure phase never became final (40 of 2,000), at most 1% is allowed",
        ]


def test_expected_refusals_are_work_done():
    rows = filled()
    for row in rows[::2]:
        row |= {"outcome": Outcome.FAILED_EXPECTED, "error_class": ErrorClass.BUSINESS_REFUSAL}
    assert judged(trial_input(rows, chain(STAMPS))).passed
    for row in rows[::2]:
        row |= {"outcome": Outcome.FAILED, "error_class": ErrorClass.REVERTED}
    assert judged(trial_input(rows, chain(STAMPS))).served_share == 0.5


def test_what_was_dropped_at_the_bound_was_offered():
    rows = filled()
    rows += [write(stamp - 100, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND) for stamp in STAMPS] * 5
    found = judged(trial_input(rows, chain(STAMPS)))
    assert found.served_share == pytest.approx(100 / 105)
    assert not found.passed


@pytest.mark.parametrize(("left", "passed"), [(1, True), (2, False)])
def test_a_backlog_may_grow_by_one_percent(left, passed):
    """Every block leaves 1 or 2 of its 100 behind for good; blocks come twice a second."""
    rows = filled()
    for number, row in enumerate(rows):
        if number % 100 < left:
            row |= {"finalized_ns": -1, "outcome": Outcome.COMMITTED}
    found = judged(trial_input(rows, chain(STAMPS)))
    assert found.in_flight_slope_upper_per_s == pytest.approx(2 * left)
    assert found.passed is passed
    if not passed:
        assert found.reasons[-1] == (
            "transactions in flight may grow by 4.0 each second (upper 95 % bound), at most 1 % of the 200/s offered "
            "is allowed"
        )


def percentiles(**values):
    return Percentiles(
        **(dict.fromkeys(("p50", "p90", "p95", "p99", "p999", "max", "mean")) | {"count": 2_000} | values)
    )


@pytest.mark.parametrize(
    ("finality", "reason"),
    [
        ({"p99": 1_000.0}, None),
        ({"p99": 1_000.1}, "p99 finality is 1,000 ms, the service level is 1,000 ms"),
        (
            {"lower_bound": {"p99": 3_000.0}, "censored": 40},
            "p99 finality is at least 3,000 ms (40 of 2,000 never became final), the service level is 1,000 ms",
        ),
        (
            {"lower_bound": {"p99": 300.0}, "censored": 40},
            "p99 finality is at least 300 ms (40 of 2,000 never became final), the service level is 1,000 ms",
        ),
        (
            {"count": 999},
            "p99 finality is not known: 999 samples, 1,000 are needed; the service level is 1,000 ms",
        ),
    ],
)
def test_the_service_level(finality, reason):
    trial = trial_input(filled(), chain(STAMPS))
    made = summarise(trial)
    latency = made.latency_ms.model_copy(update={"finality": percentiles(**finality)})
    found = sustained(trial, made.model_copy(update={"latency_ms": latency}), S, seed=1)
    assert found.reasons == ([] if reason is None else [reason])
    assert sustained(trial, made.model_copy(update={"latency_ms": latency}), None, seed=1).passed


@pytest.mark.parametrize(
    ("resources", "status", "harness"), [([worker_cpu(95)], "invalid", True), ([], "undecided", True)]
)
def test_only_a_valid_trial_passes_and_a_fault_of_the_harness_is_told_apart(resources, status, harness):
    found = judged(trial_input(filled(), chain(STAMPS), resources=resources))
    assert (found.passed, found.harness_bound) == (False, harness)
    assert found.served_share == 1
    assert len(found.reasons) == 1
    assert found.reasons[0].startswith(f"the trial is {status}: ")


def test_an_overloaded_ledger_does_not_look_like_a_fault_of_the_harness():
    found = judged(queued_trial(rate=500, per_block=250))
    assert (found.passed, found.harness_bound) == (False, False)
    assert found.served_share == pytest.approx(0.5, abs=0.02)
    assert found.in_flight_slope_upper_per_s == pytest.approx(250, rel=0.05)


def test_a_share_that_cannot_be_aligned_to_blocks_is_not_known():
    found = judged(trial_input(filled(), chain([2_000, 9_000])))
    assert any(reason.startswith("the share served is not known to a block: ") for reason in found.reasons)


def test_a_ledger_that_stops_fails():
    rows = [write(100 * number, committed=100 * number + 50) for number in range(50)]
    rows += [write(5_000 + 100 * number, outcome=Outcome.UNRESOLVED) for number in range(60)]
    found = judged(trial_input(rows, chain(range(0, 5_001, 250))))
    assert found.served_share == pytest.approx(0.4, abs=0.02)
    assert not found.passed


def test_too_few_blocks_for_a_slope_fail_with_that_reason():
    found = judged(queued_trial(rate=500, blocks=5))
    assert found.in_flight_slope_upper_per_s is None
    assert found.reasons == ["whether transactions pile up is not known: 5 points, at least 8 are needed"]


def test_an_empty_measure_phase_fails():
    phases = (PhaseSpan(Phase.MEASURE, 0, 0), PhaseSpan(Phase.DRAIN, 0, S))
    found = judged(trial_input([], chain([]), phases=phases))
    assert (found.passed, found.served_share, found.in_flight_slope_upper_per_s) == (False, 0.0, None)
    assert (found.in_flight_mean, found.harness_bound) == (0.0, True)
    assert found.reasons[-1] == "the measure phase is empty"


def test_the_bound_of_the_slope_follows_the_seed():
    trial = queued_trial(rate=100, poisson=True, block_s=0.5, blocks=20)
    made = summarise(trial)
    bounds = [sustained(trial, made, None, seed).in_flight_slope_upper_per_s for seed in (1, 1, 2)]
    assert bounds[0] == bounds[1] != bounds[2]


def test_nothing_offered_is_no_pass():
    found = judged(trial_input([], chain(STAMPS)))
    assert "nothing was offered" in found.reasons
    assert found.served_share == 0


def passes(trials, **changes):
    return sum(judged(queued_trial(seed=seed, **changes)).passed for seed in range(trials))


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 1_000},
        {"rate": 1_000, "per_block": 1_000},  # exactly as much as comes
        {"rate": 100, "poisson": True},
        {"rate": 20, "poisson": True},
        {"rate": 1_000, "poisson": True},
        {"rate": 100, "poisson": True, "confirmations": 2},
        {"rate": 500, "poisson": True, "block_s": 0.25, "blocks": 80},
    ],
    ids=str,
)
def test_a_model_ledger_that_keeps_up_passes_twenty_blocks(changes):
    assert passes(50, **changes) == 50


@pytest.mark.parametrize("changes", [{"rate": 1_000}, {"rate": 100}, {"rate": 1_000, "poisson": True}], ids=str)
def test_a_model_ledger_three_percent_too_slow_fails(changes):
    """With Poisson arrivals a trial may draw fewer than the ledger bears, and then rightly passes."""
    assert passes(50, per_block=changes["rate"] / 1.03, **changes) <= (2 if "poisson" in changes else 0)


def test_a_warm_up_shorter_than_finality_says_nothing_against_the_ledger():
    trial = queued_trial(confirmations=6)  # final after six further blocks of 1 s, warm-up of 3 s
    made, found = summarise(trial), judged(trial)
    assert (made.verdict.status, len(made.verdict.reasons)) == ("undecided", 1)
    assert (found.passed, found.harness_bound, found.reasons) == (True, False, [])
    assert found.served_share == pytest.approx(1.0, abs=0.01)


def test_overload_with_slow_finality_is_a_result_and_not_untestable():
    found = judged(queued_trial(confirmations=6, per_block=700))
    assert (found.passed, found.harness_bound) == (False, False)
    assert 0.65 < found.served_share < 0.85


def test_a_load_under_which_nothing_becomes_final_failed():
    trial = queued_trial(per_block=0.0)
    assert summarise(trial).verdict.reasons[0].startswith("nothing became final: ")
    found = judged(trial)
    assert (found.passed, found.harness_bound, found.served_share) == (False, False, 0.0)


def test_finality_that_takes_longer_than_the_load_leaves_the_share_unknown_and_tells_the_warm_up_needed():
    """Final after fourteen further blocks of 1 s; load of 11 s, so what could be final in it was due before it."""
    trial = queued_trial(confirmations=14, blocks=8)
    assert summarise(trial).verdict.reasons[0].startswith("goodput lacks its beginning: ")
    found = judged(trial)
    assert (found.passed, found.undecided) == (False, True)
    assert 14 * S < found.warm_up_needed_ns <= 17 * S
    assert found.reasons[0].startswith("the share served is not known: ")
    assert "nothing was offered" not in found.reasons


def test_a_warm_up_that_was_long_enough_asks_for_no_other():
    found = judged(queued_trial())
    assert (found.warm_up_needed_ns, found.undecided) == (0, False)


def test_where_every_write_was_refused_nothing_was_learnt_about_the_ledger():
    rows = [write(t, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL) for t in range(10, 20_000, 10)]
    trial = trial_input(rows, chain(STAMPS))
    assert summarise(trial).verdict.reasons[0].startswith("nothing became final: the node refused all ")
    found = judged(trial)
    assert (found.passed, found.harness_bound, found.undecided) == (False, True, True)


def test_where_nothing_became_final_the_trial_alone_cannot_say_why():
    assert judged(queued_trial(per_block=0.0)).undecided
    assert not judged(queued_trial(per_block=100.0)).undecided
