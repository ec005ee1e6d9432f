import pytest

from bench.model.result import Percentiles
from bench.report.spread import Spread, figure, interval_note, latency, latency_row
from tests.support.report_parts import percentiles


def text(shown: Spread) -> tuple[str, str]:
    return shown.text.replace("\u00a0", " "), shown.below.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ([300.0], "rate", ("300 /s", "")),
        ([1.0, 2.0, 3.0, 4.0], "rate", ("2.50 /s", "")),
        ([295.0, 299.0, 300.0, 301.0, 303.0], "rate", ("300 /s", "295–303 /s")),
        ([950.0, 980.0, 990.0, 1_100.0, 1_200.0], "milliseconds", ("990 ms", "950 ms – 1.20 s")),
        ([300.0, None], "rate", ("—", "not known in 1 of 2 trials")),
        ([None, None], "rate", ("—", "")),
        ([], "rate", ("—", "")),
    ],
)
def test_a_figure_over_trials(values: list[float | None], unit: str, shown: tuple[str, str]) -> None:
    assert text(figure(values, unit)) == shown


@pytest.mark.parametrize(
    ("trials", "shown"),
    [
        ([percentiles(p99=10.0), percentiles(p99=30.0)], ("20 ms", "")),
        # one of three trials lost so many that only a bound is known: the median is at least the middle one
        (
            [percentiles(p99=10.0), percentiles(p99=30.0), percentiles(p99=None, lower_bound={"p99": 50.0})],
            ("≥ 30 ms", ""),
        ),
        ([percentiles(p99=None, lower_bound={"p99": 2_000.0})] * 2, ("≥ 2 s", "")),
        ([percentiles(p99=None, count=31)] * 2, ("—", "")),
        ([percentiles(p99=10.0), percentiles(p99=None, count=31)], ("—", "not known in 1 of 2")),
    ],
)
def test_a_percentile_over_trials(trials: list[Percentiles], shown: tuple[str, str]) -> None:
    assert text(latency(trials, "p99")) == shown


def test_a_row_counts_the_samples_of_all_trials() -> None:
    row = latency_row("final", [percentiles(count=7, censored=2), percentiles(count=8, censored=1)])
    assert (row.count, row.censored) == (15, 3)
    assert [text(cell)[0] for cell in row.cells] == [
        "100 ms",
        "200 ms",
        "300 ms",
        "400 ms",
        "500 ms",
        "600 ms",
        "120 ms",
    ]


@pytest.mark.parametrize(
    ("trials", "said"), [(1, "1 trial: no interval"), (4, "4 trials: no interval"), (5, "93.8 %"), (6, "96.9 %")]
)
def test_the_note_says_once_what_the_intervals_are(trials: int, said: str) -> None:
    assert said in interval_note(trials).replace("\u00a0", " ")
