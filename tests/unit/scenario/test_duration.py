from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenario.duration import LONGEST_NS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("20s", 20_000_000_000),
        ("5ms", 5_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1m30s", 90_000_000_000),
        ("2.5ms", 2_500_000),
        ("7us", 7_000),
        ("3ns", 3),
        (" 1s ", 1_000_000_000),
        (20, 20_000_000_000),
        (0.1, 100_000_000),
        (0.3, 300_000_000),
        (1e-9, 1),
        (0, 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_exactly(written: object, ns: int) -> None:
    assert parse_duration(written) == ns


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("20 sec", "is not a duration"),
        ("", "is not a duration"),
        ("20", "is not a duration"),
        ("-5s", "is not a duration"),
        ("٣s", "is not a duration"),
        ("1e3s", "is not a duration"),
        (-1, "is not a duration"),
        (True, "is not a duration"),
        (None, "is not a duration"),
        ([20], "is not a duration"),
        (float("nan"), "is not a duration"),
        (float("inf"), "is not a duration"),
        ("0.5ns", "is finer than a nanosecond"),
        (1e-10, "is finer than a nanosecond"),
        ("9000h", "is longer than a year"),
    ],
)
def test_what_is_no_duration_is_refused(written: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration(written)


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "0s"), (90_000_000_000, "90s"), (120_000_000_000, "2m"), (1_500_000, "1500us")]
)
def test_a_duration_is_written_in_the_largest_exact_unit(ns: int, text: str) -> None:
    assert format_duration(ns) == text


@given(st.integers(0, LONGEST_NS))
def test_what_is_written_reads_back(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns
