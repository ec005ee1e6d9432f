from pathlib import Path

import pytest

from bench.bundle.reader import read_bundle
from bench.model.result import Percentiles, SendLatencies, Trial
from bench.report.build import write_report
from bench.report.send_times import send_times, send_times_chart
from tests.support.bundles import synthetic_bundle
from tests.support.report_parts import percentiles, rewrite


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return read_bundle(synthetic_bundle(tmp_path_factory.mktemp("send") / "run", trials=1, seconds=4)).result.trials[0]


def trial(recorded: Trial, due: Percentiles, sent: Percentiles) -> Trial:
    latency = recorded.latency_ms.model_copy(update={"accept": due, "commit": due, "finality": due})
    from_send = SendLatencies(accept=sent, commit=sent, finality=sent)
    return recorded.model_copy(update={"latency_ms": latency, "latency_from_send_ms": from_send})


def said(recorded: Trial, due: Percentiles, sent: Percentiles) -> str:
    found = send_times([trial(recorded, due, sent)] * 2)
    assert found is not None
    return found.sentence.replace("\u00a0", " ")


def test_what_a_forgetful_generator_would_have_printed(recorded: Trial) -> None:
    words = said(recorded, percentiles(p99=1_400.0), percentiles(p99=1_200.0))
    assert words.startswith(
        "A generator that forgets its own lateness would have printed 1.20 s instead of 1.40 s as p99"
    )


def test_a_lag_below_the_tail_is_found_too(recorded: Trial) -> None:
    assert "90 ms instead of 100 ms as p50" in said(recorded, percentiles(), percentiles(p50=90.0))


def test_an_honest_generator_prints_the_same(recorded: Trial) -> None:
    assert "would have printed the same here (p99), because ours was on time" in said(
        recorded, percentiles(), percentiles()
    )


def test_unknown_percentiles_claim_nothing(recorded: Trial) -> None:
    unknown = percentiles(p50=None, p90=None, p95=None, p99=None, p999=None)
    assert "too few transactions finished" in said(recorded, unknown, unknown)


def test_both_ways_stand_side_by_side_over_all_trials(recorded: Trial) -> None:
    found = send_times([trial(recorded, percentiles(p99=v), percentiles(p99=v - 50)) for v in (400.0, 410.0, 420.0)])
    assert found is not None
    assert [stage for stage, _, _ in found.rows] == ["accepted", "committed", "final"]
    _, due, sent = found.rows[-1]
    assert (due.cells[3].value, sent.cells[3].value) == (410.0, 360.0)
    chart = send_times_chart(found)
    assert chart is not None
    assert "p99: 410 ms and 360 ms." in chart.alternative.replace("\u00a0", " ")


def test_a_run_that_did_not_record_it_has_none(recorded: Trial) -> None:
    old = recorded.model_copy(update={"latency_from_send_ms": None})
    assert send_times([recorded, old]) is None
    assert send_times([]) is None
    assert send_times_chart(None) is None


def test_the_page_of_an_older_run_says_so(tmp_path: Path) -> None:
    bundle = synthetic_bundle(tmp_path / "run", trials=1, seconds=4)
    rewrite(
        bundle,
        lambda result: result.model_copy(
            update={"trials": [t.model_copy(update={"latency_from_send_ms": None}) for t in result.trials]}
        ),
    )
    assert "did not record the second way" in write_report(bundle).read_text()
