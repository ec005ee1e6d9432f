"""Met, missed, undecided: the edges of every kind of threshold, on runs made by hand."""

from __future__ import annotations

import pytest

from bench.report.standards.catalogue import Threshold, source
from bench.report.standards.evidence import Evidence, Run
from bench.report.standards.metrics import finding
from bench.report.standards.readings import not_measured
from bench.report.standards.thresholds import Judgement, judge
from tests.support.presets import Made, made_run

CAICT = source("caict")
METRICS = {metric.key: metric for metric in CAICT.metrics}


def judged(key: str, role: str, *trials: Made, pressure: Run | None = None, partial: bool = False) -> Judgement:
    run = made_run(*trials, role=role, partial=partial)
    metric = METRICS[key]
    runs = (run,) if pressure is None else (pressure, run)
    found = finding(CAICT, metric, run, Evidence(runs))
    return judge(metric.thresholds[role], found, run, metric.unit)


@pytest.mark.parametrize(
    ("role", "finalized", "status"),
    [
        ("pressure", 950, "met"),
        ("pressure", 949, "missed"),
        ("pressure", 1000, "met"),
        ("pressure", 0, "missed"),
        ("spike", 750, "met"),
        ("spike", 749, "missed"),
        ("stability", 950, "missed"),
        ("stability", 951, "met"),
    ],
)
def test_success_is_valid_and_final_of_those_sent(role: str, finalized: int, status: str) -> None:
    assert judged("success_rate", role, Made(finalized=finalized)).status == status


def test_expected_refusals_are_no_successes() -> None:
    assert judged("success_rate", "pressure", Made(finalized=940, refused=60)).status == "missed"


def test_one_trial_that_misses_is_a_miss_and_is_named() -> None:
    found = judged("success_rate", "pressure", Made(), Made(finalized=900), Made(finalized=940))
    assert (found.status, found.asked) == ("missed", "≥\u00a095\u00a0%")
    assert found.reason == "90\u00a0% in trial 2 of 3"


def test_a_narrow_miss_is_printed_with_the_digits_that_show_it() -> None:
    found = judged("success_rate", "pressure", Made(submitted=1_000_000, finalized=949_999))
    assert found.reason == "94.9999\u00a0% in the one trial"
    assert judged("success_rate", "stability", Made(finalized=950)).reason == "95\u00a0% in the one trial"


@pytest.mark.parametrize(
    ("role", "sent", "committed", "status"),
    [
        ("pressure", 100.0, 100.0, "met"),
        ("pressure", 110.0, 100.0, "met"),
        ("pressure", 110.2, 100.0, "missed"),
        ("pressure", 90.0, 100.0, "met"),
        ("pressure", 89.9, 100.0, "undecided"),
        ("pressure", 100.0, 0.0, "missed"),
        ("spike", 200.0, 100.0, "met"),
        ("spike", 180.0, 100.0, "met"),
        ("spike", 179.9, 100.0, "undecided"),
        ("spike", 100.0, 100.0, "undecided"),
        ("spike", 219.9, 100.0, "met"),
        ("spike", 221.0, 100.0, "missed"),
    ],
)
def test_sent_for_one_committed(role: str, sent: float, committed: float, status: str) -> None:
    assert judged("send_to_commit", role, Made(sent_per_s=sent, goodput_per_s=committed)).status == status


def test_what_was_not_committed_at_all_says_so() -> None:
    found = judged("send_to_commit", "pressure", Made(), Made(goodput_per_s=0.0))
    assert found.reason.startswith("nothing was committed in trial 2 of 2")


def test_a_spike_that_the_ledger_carried_decides_nothing_and_says_what_to_do() -> None:
    found = judged("send_to_commit", "spike", Made(sent_per_s=200.0, goodput_per_s=200.0))
    assert found.reason == "1 in the one trial: the load was not the one the test means"
    assert "the most the ledger carries" in found.remedy


@pytest.mark.parametrize(
    ("offered", "status"), [(20.0, "met"), (18.0, "met"), (22.0, "met"), (17.9, "undecided"), (22.1, "undecided")]
)
def test_stability_is_a_fifth_of_the_pressure_load(offered: float, status: str) -> None:
    found = judged("load_share", "stability", Made(offered_per_s=offered), pressure=made_run())
    assert found.status == status


def test_without_the_pressure_run_the_share_of_its_load_is_not_known() -> None:
    found = judged("load_share", "stability", Made(offered_per_s=20.0))
    assert (found.status, found.reason) == ("undecided", "the load of the pressure test is not known")


@pytest.mark.parametrize(
    ("planned", "finalized", "status"),
    [(1000, 1000, "met"), (1010, 1000, "met"), (1011, 1000, "undecided"), (5000, 900, "missed")],
)
def test_a_load_that_was_not_sent_cannot_be_passed_but_can_be_failed(planned: int, finalized: int, status: str) -> None:
    found = judged("success_rate", "pressure", Made(planned=planned, finalized=finalized))
    assert found.status == status
    if status == "undecided":
        assert found.reason.startswith("only 98.91\u00a0% of the planned load was sent")
        assert "in flight bound 11" in found.reason


@pytest.mark.parametrize(
    ("trials", "partial", "reason"),
    [
        ([Made(status="invalid")], False, "the measurement is invalid"),
        ([Made(), Made(status="undecided")], False, "the measurement is undecided"),
        ([Made()], True, "the run was cut short"),
        ([Made(finalized=0, status="invalid")], False, "the measurement is invalid"),
    ],
)
def test_a_run_that_is_not_sound_decides_nothing(trials: list[Made], partial: bool, reason: str) -> None:
    found = judged("success_rate", "pressure", *trials, partial=partial)
    assert (found.status, found.reason) == ("undecided", reason)


def test_a_test_that_was_not_run_decides_nothing() -> None:
    found = judge(Threshold(at_least=0.5), not_measured("this test was not run", "run it"), None, "share")
    assert found == Judgement("undecided", "≥\u00a050\u00a0%", "this test was not run", "run it")


@pytest.mark.parametrize("keys", [{}, {"at_least": 1.0, "about": 2.0}, {"more_than": 1.0, "at_least": 1.0}])
def test_a_threshold_is_of_one_kind(keys: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give one of"):
        Threshold(**keys)  # type: ignore[arg-type]
