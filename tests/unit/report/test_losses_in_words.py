"""Comparisons, the line on balance, and the sentence on lateness, where the survivors look better than the whole."""

from collections.abc import Sequence

import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Drift, Percentiles, Result, SendLatencies
from bench.report.judgement import METRICS, Candidate, PairVerdict, pair_verdict, shown_value
from bench.report.send_times import send_times
from bench.report.trust import trust_lines
from bench.scenario.schema import Limits
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import percentiles, with_parts

GOODPUT, P50, P99 = METRICS


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Result:
    path = synthetic_bundle(tmp_path_factory.mktemp("lost") / "b", workload="transfer", trials=1, seconds=5)
    return read_bundle(path).result


def side(recorded: Result, label: str, goodput: Sequence[float], p99: float, lost: float = 0.0) -> Candidate:
    """Trials with these rates of 300/s offered in the phase, of which a share `lost` has no latency."""
    first = recorded.trials[0]
    length_s = next(part.end_s - part.start_s for part in first.phases if part.phase == "measure")
    sample = round(300 * length_s * (1 - lost))
    counts = first.counts.model_copy(update={"failed_expected": 0})
    trials = []
    for number, rate in enumerate(goodput):
        finality = percentiles(p99=p99 + number, p50=p99 / 2 + number, count=sample)
        rates = {"goodput_per_s": rate, "offered_per_s": 300.0, "expected_refusals_per_s": 0.0}
        trials.append(
            first.model_copy(
                update={
                    "counts": counts,
                    "rates": first.rates.model_copy(update=rates),
                    "latency_ms": first.latency_ms.model_copy(update={"finality": finality}),
                }
            )
        )
    return Candidate(label, recorded.model_copy(update={"trials": trials}), {}, {})


def verdict(metric: object, first: Candidate, second: Candidate) -> PairVerdict:
    return pair_verdict("transfer", metric, first, second)  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", [P50, P99])
@pytest.mark.parametrize(("lost", "decided"), [(0.0, True), (0.009, True), (0.02, False), (0.5, False)])
def test_who_turns_much_away_wins_no_latency(recorded: Result, metric: object, lost: float, decided: bool) -> None:
    whole, part = side(recorded, "A", [300.0] * 5, 800.0), side(recorded, "B", [150.0] * 5, 400.0, lost)
    for found in (verdict(metric, whole, part), verdict(metric, part, whole)):
        assert found.decided is decided
        assert ("to B was not sent, refused or failed, so its times are those of the rest" in found.grounds) is (
            not decided
        )
    assert verdict(GOODPUT, whole, part).decided


def test_more_than_was_offered_is_no_merit(recorded: Result) -> None:
    level, above = side(recorded, "A", [300.0] * 5, 400.0), side(recorded, "B", [310.0, 312.0, 308.0, 311, 309], 400.0)
    found = verdict(GOODPUT, level, above)
    assert (found.decided, found.difference) == (False, 0)
    assert "; B counted with no more than was offered: the rest was due in the warm-up" in found.grounds
    assert shown_value(above.result, GOODPUT).startswith("310")
    assert "no more than was offered" not in verdict(GOODPUT, level, side(recorded, "C", [200.0] * 5, 400.0)).grounds


def test_the_line_on_balance_warns_of_what_was_turned_away(recorded: Result) -> None:
    note = "did not keep up: 50.0 % refused or not sent because too much was waiting"
    away = Drift(in_flight_per_s=0.0, in_flight_upper_per_s=0.1, goodput_per_s2=0.0, note=note)
    trials = [with_parts(recorded.trials[0]), with_parts(recorded.trials[0], trial=2, drift=away)]
    line = trust_lines(recorded.model_copy(update={"trials": trials}), Limits(), "run")[4]
    assert line.tone == "warn"
    assert line.text.replace("\u00a0", " ").startswith("In 1 of 2 trials, the first: Did not keep up: 50.0 % refused")


def said(recorded: Result, due: Percentiles, sent: Percentiles, lag: Percentiles) -> str:
    first = recorded.trials[0]
    update = {"finality": due, "submit_lag": lag}
    trial = first.model_copy(
        update={
            "latency_ms": first.latency_ms.model_copy(update=update),
            "latency_from_send_ms": SendLatencies(accept=sent, commit=sent, finality=sent),
        }
    )
    found = send_times([trial])
    assert found is not None
    return found.sentence.replace("\u00a0", " ")


LAG = {"p50": 0.1, "p90": 0.1, "p95": 0.1, "p99": 0.1, "p999": 0.2, "max": 5.0}


@pytest.mark.parametrize(
    ("due", "lag", "words"),
    [
        ({}, {}, "the same here (p99), because ours was on time"),
        ({"p999": 520.0}, {}, "500 ms instead of 520 ms as p99.9"),
        ({"max": 650.0}, {}, "600 ms instead of 650 ms as its slowest"),
        ({}, {"max": 5.1}, "although ours was not always on time: the latest 5.10 ms after its due time"),
        (
            {},
            {"p999": 490.0, "max": 550.0},
            "not always on time: 1 of 1,000 was sent 490 ms or more after its due time, the latest 550 ms",
        ),
    ],
)
def test_on_time_is_said_only_where_the_latest_was(
    recorded: Result, due: dict[str, float], lag: dict[str, float], words: str
) -> None:
    assert words in said(recorded, percentiles(**due), percentiles(), percentiles(**(LAG | lag)))
