from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from bench.measure.inputs import Limits
from bench.model.buckets import LAG_BUCKETS_NS
from bench.telemetry.live_data import LiveSeries
from bench.telemetry.live_lights import Light
from bench.telemetry.live_sample import Run, Sample
from tests.support.live_samples import RUN, counted, healthy, stalled


def lights_after(samples: Iterable[Sample], run: Run = RUN) -> tuple[Light, Light, Light]:
    series = LiveSeries()
    for sample in samples:
        series.add(run, sample)
    return series.data(sample.at_ns).lights


def course(seconds: int, **changes: Any) -> list[Sample]:
    return [replace(healthy(second), **changes) for second in range(seconds + 1)]


def test_a_healthy_run_is_alive_keeps_up_and_is_not_our_fault() -> None:
    alive, keeping_up, ours = lights_after(course(30))
    assert (alive.state, alive.answer, alive.reason) == ("good", "Yes", "Block 130 came 0.2 s ago.")
    assert (keeping_up.state, keeping_up.answer) == ("good", "Yes")
    assert keeping_up.reason == "2,800 of 2,800 writes planned in the last 28 s became final."
    assert (ours.state, ours.answer) == ("good", "No")
    assert ours.reason == "We send 1.1 ms late (p99; 5 ms are allowed), our busiest process uses 40 % of a core."


def test_a_stall_turns_the_first_light_then_the_second_and_never_the_third() -> None:
    states = []
    for length in (3, 8, 15):
        samples = [*course(30), *(stalled(second, 30) for second in range(31, 31 + length))]
        states.append(tuple(light.state.value for light in lights_after(samples)))
    assert states == [("good", "good", "good"), ("bad", "bad", "good"), ("bad", "bad", "good")]


def test_a_stall_says_how_long_and_what_waits() -> None:
    samples = [*course(30), *(stalled(second, 30) for second in range(31, 46))]
    alive, keeping_up, _ = lights_after(samples)
    assert alive.reason == "Block 130 came 15 s ago, and 1,600 writes wait for another."
    assert "ever more are in flight (1,600)" in keeping_up.reason


@pytest.mark.parametrize(("age_s", "state"), [(11.0, "good"), (59.0, "good"), (62.0, "bad")])
def test_a_slow_ledger_may_take_five_of_its_own_intervals(age_s: float, state: str) -> None:
    """Four blocks in 48 s, and none since."""
    last = replace(
        healthy(48), at_ns=healthy(48).at_ns + int(age_s * 1e9), phase="measure", blocks=4, block_age_s=age_s
    )
    assert lights_after([healthy(47), last])[0].state == state


def test_no_block_is_no_fault_while_nothing_waits() -> None:
    alive = lights_after(course(20, block_age_s=12.0, in_flight=0, blocks=30))[0]
    assert (alive.state, alive.reason) == (
        "unknown",
        "Block 120 came 12 s ago, but no write waits for another.".replace("120", "120"),
    )


def test_a_ledger_of_which_no_block_is_heard() -> None:
    silent: dict[str, Any] = {"block_age_s": None, "block_height": None, "blocks": 0, "finalized_valid": 0}
    assert lights_after(course(3, **silent, in_flight=300))[0].state == "unknown"
    alive, keeping_up, _ = lights_after(course(12, **silent, in_flight=1_200))
    assert (alive.state, alive.reason) == ("bad", "No block was heard in 12 s, and 1,200 writes wait for one.")
    assert keeping_up.reason == "No write has become final in 12 s; 1,200 are in flight."


def test_a_full_bound_is_not_keeping_up() -> None:
    samples = [replace(healthy(second), dropped={"in_flight_bound": 10 * max(0, second - 15)}) for second in range(21)]
    keeping_up = lights_after(samples)[1]
    assert (keeping_up.state, keeping_up.answer) == ("bad", "No")
    assert keeping_up.reason == "Not sent in the last 10 s, as too many were in flight or unanswered: 50 writes."


@pytest.mark.parametrize(("share", "state"), [(1.0, "good"), (0.97, "good"), (0.92, "warn"), (0.7, "bad")])
def test_a_ledger_that_serves_less_than_is_planned(share: float, state: str) -> None:
    def one(second: int) -> Sample:
        through = int(max(0, second - 1) * 100 * share)
        return replace(healthy(second), finalized_valid=through, in_flight=second * 100 - through)

    assert lights_after(one(second) for second in range(41))[1].state == state


@pytest.mark.parametrize("interval_s", [1, 2, 4])
def test_blocks_in_steps_are_no_lag(interval_s: int) -> None:
    """What is in flight saws up and down by a whole block; at every phase of it the ledger keeps up."""

    def one(second: int) -> Sample:
        through = max(0, second - 1) // interval_s * interval_s * 100
        return replace(healthy(second), finalized_valid=through, in_flight=second * 100 - through)

    for end in range(30, 40):
        assert lights_after(one(second) for second in range(end))[1].state == "good"


@pytest.mark.parametrize("delay_s", [1, 5, 12])
def test_the_rise_before_the_first_final_write_is_no_lag(delay_s: int) -> None:
    samples = [healthy(second, delay_s=delay_s) for second in range(40)]
    states = {lights_after(samples[: end + 1])[1].state.value for end in range(40) if end < 10 or end > delay_s}
    assert states == {"unknown", "good"}


@pytest.mark.parametrize(("refused", "state"), [(0, "good"), (1, "good"), (5, "warn"), (30, "bad")])
def test_refusals(refused: int, state: str) -> None:
    samples = [replace(healthy(second), rejected=refused * second) for second in range(31)]
    assert lights_after(samples)[1].state == state


def test_refusals_that_the_workload_intends_are_fine() -> None:
    samples = [
        replace(
            healthy(second),
            finalized_valid=healthy(second).finalized_valid // 2,
            failed_expected=healthy(second).finalized_valid // 2,
        )
        for second in range(31)
    ]
    assert lights_after(samples)[1].state == "good"


def test_an_objective_that_is_missed_warns() -> None:
    keeping_up = lights_after(course(30), replace(RUN, slo_finality_s=0.5))[1]
    assert (keeping_up.state, keeping_up.answer) == ("warn", "Barely")
    assert keeping_up.reason == "p99 finality is 0.9 s, the objective is 0.5 s."
    assert lights_after(course(30), replace(RUN, slo_finality_s=2.0))[1].state == "good"


def test_the_drain() -> None:
    def drain(second: int, left: int, through: int) -> Sample:
        return replace(healthy(second), phase="drain", planned=6_000, in_flight=left, finalized_valid=through)

    busy = [drain(60 + second, 1_000 - 100 * second, 5_000 + 100 * second) for second in range(11)]
    assert lights_after(busy[:-1])[1].reason == "The load is over; 100 writes are still in flight."
    assert lights_after(busy)[1].reason == "The load is over and nothing is in flight any more."
    stuck = [drain(60 + second, 500, 5_500) for second in range(15)]
    assert lights_after(stuck)[1].state == "bad"


def test_reads_alone_keep_up_when_they_are_answered() -> None:
    def reads(second: int, answered: int) -> Sample:
        done = replace(healthy(second), planned=100, finalized_valid=100, in_flight=0)
        return replace(done, reads_issued=50 * second, reads_answered=answered * second)

    assert lights_after(reads(second, 50) for second in range(31))[1].state == "good"
    assert lights_after(reads(second, 10) for second in range(31))[1].state == "bad"


@pytest.mark.parametrize(("lag", "state"), [("ms_1", "good"), ("ms_4_5", "warn"), ("ms_5_5", "warn"), ("ms_9", "bad")])
def test_submit_lag_against_its_bound(lag: str, state: str) -> None:
    """4.5 and 5.5 ms fall into one bucket, on both sides of the bound: that is not enough to say Yes."""
    samples = [
        replace(healthy(second), lag_buckets=counted(LAG_BUCKETS_NS, **{lag: second * 100})) for second in range(31)
    ]
    ours = lights_after(samples)[2]
    assert ours.state == state
    assert ours.answer == {"good": "No", "warn": "Nearly", "bad": "Yes"}[state]


@pytest.mark.parametrize("process", ["worker-0", "observer"])
@pytest.mark.parametrize(("share", "state"), [(0.5, "good"), (0.75, "warn"), (0.85, "bad"), (1.0, "bad")])
def test_processors_against_their_bound(process: str, share: float, state: str) -> None:
    samples = [replace(healthy(second), cpu_s={(process, "harness"): share * second}) for second in range(31)]
    assert lights_after(samples)[2].state == state


def test_one_pause_is_no_state() -> None:
    """All of one second was sent 50 ms late."""
    samples = [
        replace(
            healthy(second), lag_buckets=counted(LAG_BUCKETS_NS, ms_1=min(second, 20) * 100, ms_50=(second > 20) * 100)
        )
        for second in range(24)
    ]
    assert lights_after(samples)[2].state == "warn"


def test_the_lag_of_a_few_sends_says_nothing() -> None:
    late = [
        replace(healthy(second, rate=5), lag_buckets=counted(LAG_BUCKETS_NS, ms_50=second * 5)) for second in range(12)
    ]
    ours = lights_after(replace(sample, cpu_s={}) for sample in late)[2]
    assert (ours.state, ours.reason) == ("unknown", "Too little was sent to say.")


def test_a_busy_encoder_is_nobodys_fault() -> None:
    samples = [replace(healthy(second), cpu_s={("encoder-0", "harness"): float(second)}) for second in range(31)]
    assert lights_after(samples)[2].state == "good"


def test_the_limits_are_those_of_the_run() -> None:
    strict = replace(RUN, limits=Limits(submit_lag_p99_ns=500_000))
    assert lights_after(course(30), strict)[2].state == "bad"


@pytest.mark.parametrize("cause", ["buffer_empty", "account_unavailable"])
def test_what_we_did_not_send_is_our_fault(cause: str) -> None:
    ours = lights_after([*course(20), *(replace(healthy(second), dropped={cause: 8}) for second in range(21, 26))])[2]
    assert (ours.state, ours.reason) == ("bad", "Not sent in the last 10 s, as we had them not ready: 8 writes.")


def test_between_trials_nothing_is_judged() -> None:
    done = replace(healthy(70), phase="done")
    assert {light.reason for light in lights_after([healthy(69), done])} == {"The trial has ended."}
