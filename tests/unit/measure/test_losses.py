"""What never became final, was refused, or was not sent: whether the figures of the rest are taken for those of all."""

import dataclasses

import numpy as np
import pytest

from bench.measure.drift import TURNED_AWAY
from bench.measure.latencies import MeasuredRows
from bench.measure.losses import Losses, never_final_share, without_latency_share
from bench.measure.summary import summarise
from bench.measure.sustainable import sustained
from bench.model.phase import Outcome
from bench.model.record import NEVER
from bench.model.transaction import ErrorClass
from tests.support.queues import S, queued_trial
from tests.support.rows import chain, read, trial_input, worker_cpu, write

STAMPS = range(0, 12_000, 500)
STAGES = ("accepted_ns", "committed_ns", "finalized_ns", "block")


def turned_away(trial, which, outcome, error):
    for column in STAGES:
        trial.rows[column][which] = NEVER
    trial.rows["outcome"][which] = outcome
    trial.rows["error_class"][which] = error
    return trial


def judged(trial):
    return sustained(trial, summarise(trial), None, seed=1)


def died(trial, before_end_s):
    dead = trial.measure.end_ns - int(before_end_s * S)
    lost = trial.rows["finalized_ns"] > dead
    turned_away(trial, lost, Outcome.UNRESOLVED, ErrorClass.NOT_INCLUDED)
    return dataclasses.replace(trial, blocks=trial.blocks[trial.blocks["observed_ns"] <= dead])


@pytest.mark.parametrize("blocks", [20, 60])
@pytest.mark.parametrize("before_end_s", [0.9, 2.02])
def test_a_ledger_that_dies_just_before_the_end_does_not_pass(blocks, before_end_s):
    for seed in range(5):
        found = judged(died(queued_trial(rate=200, blocks=blocks, seed=seed), before_end_s))
        assert not found.passed
        assert any("never became final" in reason for reason in found.reasons)


def test_goodput_holds_the_silence_of_a_ledger_that_stopped():
    made = summarise(died(queued_trial(rate=200, blocks=20), 2.02))
    assert made.rates.goodput_per_s == pytest.approx(180, rel=0.02)
    assert made.rates.blocks == 0


def irregular(draw, seed):
    """Blocks at drawn intervals, each with all that came before it."""
    random = np.random.default_rng(seed)
    made = np.cumsum(draw(random, 200))
    made = made[made < 90]
    rows = [write(0)] * 0
    for number in range(100 * 63):
        due = number / 100
        stamp = made[np.searchsorted(made, due + 0.01)] * 1_000
        rows.append(write(due * 1_000, committed=stamp))
    trial = trial_input(rows, chain(made * 1_000))
    ends = ((0, 3 * S), (3 * S, 63 * S), (63 * S, 90 * S))
    spans = [
        dataclasses.replace(span, start_ns=start, end_ns=end)
        for span, (start, end) in zip(trial.phases, ends, strict=True)
    ]
    return dataclasses.replace(trial, phases=tuple(spans))


@pytest.mark.parametrize(
    "draw",
    [lambda random, count: np.clip(random.normal(1, 0.2, count), 0.05, None), lambda r, count: r.exponential(1, count)],
    ids=["jittery", "Poisson"],
)
def test_irregular_blocks_lose_nothing(draw):
    for seed in range(4):
        found = judged(irregular(draw, seed))
        assert not any("never became final" in reason or "not known to a block" in reason for reason in found.reasons)


def test_losses_are_of_writes_due_in_the_measure_phase():
    rows = [write(2_000)] * 95 + [write(2_000, outcome=Outcome.UNRESOLVED)]
    rows += [write(2_000, outcome=Outcome.REJECTED, error=ErrorClass.POOL_FULL)]
    rows += [write(2_000, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND)]
    rows += [write(2_000, outcome=Outcome.DROPPED, error=ErrorClass.BUFFER_EMPTY)]
    rows += [write(2_000, outcome=Outcome.COMMITTED), write(2_000, outcome=Outcome.FAILED)]
    rows += [write(2_000, outcome=Outcome.FAILED_EXPECTED, error=ErrorClass.REVERTED)]
    rows += [write(500, outcome=Outcome.UNRESOLVED), read(2_000, error=ErrorClass.READ_TIMEOUT)]
    trial = trial_input(rows, chain(STAMPS))
    found = Losses.of(MeasuredRows.of(trial))
    assert found == Losses(offered=102, turned_away=2, unfinished=6)
    assert (found.turned_away_too_many(), found.unfinished_too_many()) == (True, True)
    made = summarise(trial)
    assert without_latency_share(made) == pytest.approx(4 / 102, abs=1e-3)  # the expected refusal is not among them
    assert never_final_share(made) == pytest.approx(6 / 102, abs=1e-3)


@pytest.mark.parametrize(("lost", "too_many"), [(1, False), (2, True)])
def test_one_in_a_hundred_is_tolerated(lost, too_many):
    found = Losses(100, lost, lost)
    assert (found.turned_away_too_many(), found.unfinished_too_many()) == (too_many, too_many)


def test_a_trial_without_writes_lost_none():
    made = summarise(trial_input([], chain(STAMPS)))
    assert (without_latency_share(made), never_final_share(made)) == (0, 0)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [(Outcome.DROPPED, ErrorClass.IN_FLIGHT_BOUND), (Outcome.REJECTED, ErrorClass.POOL_FULL)],
)
def test_what_is_turned_away_did_not_keep_up_although_nothing_piles_up(outcome, error):
    trial = queued_trial(rate=1_000, blocks=30)
    made = summarise(turned_away(trial, np.arange(len(trial.rows)) % 2 == 1, outcome, error))
    assert made.drift.in_flight_upper_per_s < 10
    assert made.drift.note.startswith(f"{TURNED_AWAY} 50.0 % refused or not sent because too much was waiting")
    assert any("in-flight bound" in note or "refused by the ledger" in note for note in made.notes)


def test_an_untested_verdict_says_nothing_about_the_ledger():
    trial = dataclasses.replace(queued_trial(rate=200), resources=[])
    found = judged(trial)
    assert (found.passed, found.harness_bound) == (False, True)


def test_a_ledger_that_let_nothing_be_sent_is_not_the_harness():
    rows = [write(t, outcome=Outcome.DROPPED, error=ErrorClass.IN_FLIGHT_BOUND) for t in range(1_000, 11_000, 10)]
    trial = trial_input(rows, chain(STAMPS), resources=[worker_cpu(30)])
    made = summarise(trial)
    assert made.verdict.status == "undecided"
    assert sustained(trial, made, None, seed=1).harness_bound is False


def test_reads_that_were_given_up_rank_above_all_answered():
    rows = [
        read(1_000 + 9 * n, **({"answered": 1_010 + 9 * n} if n % 10 < 6 else {"error": ErrorClass.READ_TIMEOUT}))
        for n in range(1_100)
    ]
    rows += [read(2_000, error=ErrorClass.READ_REFUSED)] * 100
    found = summarise(trial_input(rows, chain(STAMPS))).reads.latency_ms
    assert (found.count, found.censored, found.p50, found.p99) == (1_100, 440, 10, None)
    assert found.lower_bound["p99"] == 10


def test_the_cost_of_a_transaction_says_who_shares_it():
    writes = [write(1_000 + 100 * n, committed=1_050 + 100 * n) for n in range(99)]
    reads = [read(1_000 + n, answered=1_002 + n) for n in range(900)] + [read(500, answered=502)]
    assert not any("share the cost" in note for note in summarise(trial_input(writes, chain(STAMPS))).notes)
    notes = summarise(trial_input(writes + reads, chain(STAMPS))).notes
    assert any(note.startswith("900 reads share the cost of 99 valid transactions") for note in notes)
