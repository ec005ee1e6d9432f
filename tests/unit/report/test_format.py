import math

import pytest

from bench.model.result import Interval, Percentiles
from bench.report import format as fmt


def plain(text: str) -> str:
    return text.replace(fmt.NBSP, " ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
        (0.00123456, "0.00123"),
        (0.5, "0.5"),
        (1, "1"),
        (1.0249, "1.02"),
        (9.999, "10.0"),
        (99.96, "100"),
        (298.6, "299"),
        (999.6, "1,000"),
        (12_345, "12,300"),
        (12_345_678.0, "12,300,000"),
        (-41.26, "-41.3"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | None, expected: str) -> None:
    assert fmt.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "—"),
        (0.0, "0 ms"),
        (0.0123, "12.3 µs"),
        (0.9996, "1.00 ms"),
        (1.5, "1.5 ms"),
        (512.4, "512 ms"),
        (999.7, "1.00 s"),
        (1_020.0, "1.02 s"),
        (150_000.0, "2.5 min"),
        (7_200_000.0, "2 h"),
    ],
)
def test_durations_use_the_unit_a_person_would(value: float | None, expected: str) -> None:
    assert plain(fmt.milliseconds(value)).replace(".50 ", ".5 ") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (999, "999 B"),
        (999.9, "1 kB"),
        (1_234_567, "1.23 MB"),
        (8e12, "8 TB"),
        (8e16, "80,000 TB"),
        (-1, "—"),
        (None, "—"),
    ],
)
def test_sizes(value: float | None, expected: str) -> None:
    assert plain(fmt.size(value)).replace("1.00 kB", "1 kB") == expected


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (9_999_999, 10_000_000, "99.99 %"),
        (999, 1_000, "99.90 %"),
        (1, 10_000_000, "< 0.01 %"),
        (1, 3, "33.3 %"),
        (1, 0, "—"),
        (3, 2, "150 %"),
    ],
)
def test_shares_are_never_rounded_to_all_or_nothing(part: float, whole: float, expected: str) -> None:
    assert plain(fmt.percent(part, whole)) == expected


def percentiles(**known: float) -> Percentiles:
    values = {"p50": None, "p90": None, "p95": None, "p99": None, "p999": None, "max": None, "mean": None}
    return Percentiles(**{**values, **known}, count=1_234, censored=5, lower_bound={"p99": 2_000.0})


def test_a_percentile_prints_what_is_known_of_it() -> None:
    found = percentiles(p50=12.0)
    assert plain(fmt.percentile(found, "p50")) == "12 ms"
    assert plain(fmt.percentile(found, "p99")) == "≥ 2 s"
    assert plain(fmt.percentile(found, "p999")) == "— (n = 1,234)"
    assert fmt.percentile(found, "p999", with_count=False) == "—"


def test_intervals_state_their_confidence_or_why_there_is_none() -> None:
    known = Interval(median=299.0, ci_low=297.0, ci_high=301.2, confidence=0.9375, trials=5)
    assert plain(fmt.interval(known, "rate")) == "297 /s to 301 /s, 93.8 % confidence"
    assert fmt.interval(Interval(median=299.0, trials=2), "rate") == "2 trials: no interval"
    assert fmt.interval(Interval(median=None, trials=1), "milliseconds") == "1 trial: no interval"


def test_lists_and_causes() -> None:
    assert [fmt.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert fmt.per_kind({"buffer_empty": 3, "in_flight_bound": 1_200, "interrupted": 0}) == (
        "in flight bound 1,200, buffer empty 3"
    )
    assert (fmt.signed("3 ms", 3.0), fmt.signed("3 ms", -3.0), fmt.signed("0 ms", 0.0)) == ("+3 ms", "−3 ms", "0 ms")


@pytest.mark.parametrize(("value", "expected"), [(0.0, "0 %"), (0.2, "< 1 %"), (55.4, "55 %"), (1_640.0, "1,640 %")])
def test_processor_use_is_whole_percent(value: float, expected: str) -> None:
    assert plain(fmt.cpu(value)) == expected
