import pytest

from bench.measure.summary import summarise
from bench.measure.trials import LATENCIES, QUANTITIES, summarise_trials
from bench.model.phase import Outcome
from bench.model.transaction import ErrorClass
from tests.support.rows import chain, trial_input, worker_cpu, write

STAMPS = [1_000 * number + 500 for number in range(20)]


def trial(number, per_s=30, latency=50, **changes):
    rows = [
        write(1_000 * second + 900 * n / per_s, committed=1_000 * second + 900 * n / per_s + latency)
        for second in range(20)
        for n in range(per_s)
    ]
    lost = changes.pop("lost", 0)
    rows += [write(2_000, outcome=Outcome.UNRESOLVED, error=ErrorClass.NOT_INCLUDED)] * lost
    return summarise(trial_input(rows, chain(STAMPS), trial=number, **changes))


def test_five_trials_have_a_median_and_an_interval():
    made = summarise_trials([trial(n, per_s=20 + n, latency=100 * n) for n in range(1, 6)])
    goodput = made.goodput_per_s
    assert (goodput.ci_low, goodput.median, goodput.ci_high, goodput.confidence) == (21, 23, 25, 0.9375)
    p50 = made.latency_ms["finality"]["p50"]
    assert (p50.ci_low, p50.median, p50.ci_high, p50.trials) == (100, 300, 500, 5)
    assert made.verdict.status == "valid"


def test_fewer_than_five_have_no_interval_but_may_be_valid():
    made = summarise_trials([trial(1), trial(2)])
    assert made.verdict.status == "valid"
    assert (made.goodput_per_s.median, made.goodput_per_s.ci_low, made.goodput_per_s.trials) == (30, None, 2)


def test_one_invalid_trial_makes_the_run_invalid_and_is_named():
    made = summarise_trials([trial(1), trial(2, resources=[worker_cpu(95)]), trial(3, resources=[])])
    assert made.verdict.status == "invalid"
    assert [reason.split(":")[0] for reason in made.verdict.reasons] == ["trial 2", "trial 3"]


def test_an_untested_trial_leaves_the_run_undecided():
    assert summarise_trials([trial(1), trial(2, resources=[])]).verdict.status == "undecided"


def test_a_percentile_that_one_trial_could_not_give_is_not_given_for_the_run():
    made = summarise_trials([trial(1), trial(2, lost=40), trial(3)])
    assert made.latency_ms["finality"]["p95"].median is None
    assert made.latency_ms["finality"]["p95"].trials == 3
    assert made.latency_ms["finality"]["p50"].median == 50


def test_every_latency_and_quantity_is_there():
    made = summarise_trials([trial(1)]).latency_ms
    assert tuple(made) == LATENCIES
    assert all(tuple(quantities) == QUANTITIES for quantities in made.values())


@pytest.mark.parametrize("field", ["goodput_per_s", "offered_per_s"])
def test_no_trial_is_no_run(field):
    made = summarise_trials([])
    assert made.verdict.status == "invalid"
    assert made.verdict.reasons == ["no trial was completed, at least 1 is needed; run again"]
    assert getattr(made, field).median is None
