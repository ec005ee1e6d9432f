"""Numbers as people read them: three significant digits, thousands separators, a unit. Nothing else writes a number.

Counts are exact. A value that is not known prints as a dash, never as a zero. A non-breaking space joins value and
unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.model.result import Interval, Percentiles

NBSP = "\u00a0"
UNKNOWN = "—"
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")


def count(value: int) -> str:
    """An exact number of things: 12,345."""
    return f"{value:,}"


def number(value: float | None) -> str:
    """Three significant digits, never in scientific notation: 0.00123, 1.02, 299, 12,300."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    rounded = _significant(value)
    if value == int(value) and abs(value) < 1_000:
        return f"{value:.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{min(digits, 9)}f}"
    return text.rstrip("0").rstrip(".") if digits > 2 else text


def rate(value: float | None) -> str:
    """Per second."""
    return _with_unit(number(value), "/s")


def milliseconds(value: float | None) -> str:
    """A duration given in ms, in the unit a person would choose: µs below 1 ms, s from 1,000 ms."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value and abs(_significant(value)) < 1:
        return _with_unit(number(value * 1e3), "µs")
    if abs(_significant(value)) < 1_000:
        return _with_unit(number(value), "ms")
    return seconds(value / 1e3)


def seconds(value: float | None) -> str:
    """A duration given in seconds; minutes and hours where they read better."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 120:
        return _with_unit(number(value), "s")
    if abs(value) < 7_200:
        return _with_unit(number(value / 60), "min")
    return _with_unit(number(value / 3_600), "h")


def size(value: float | None) -> str:
    """Bytes with decimal prefixes; negative stands for "the machine does not tell"."""
    if value is None or not math.isfinite(value) or value < 0:
        return UNKNOWN
    unit = 0
    while unit < len(_BYTE_UNITS) - 1 and abs(_significant(value)) >= 1_000:
        value, unit = value / 1_000, unit + 1
    return _with_unit(number(value), _BYTE_UNITS[unit])


def percent(part: float, whole: float) -> str:
    """A share. It says 100 % or 0 % only when it is exactly that."""
    if whole == 0:
        return UNKNOWN
    share = 100 * part / whole
    if share in (0, 100):
        return _with_unit(f"{share:.0f}", "%")
    if 99 < share < 100:
        return _with_unit(f"{min(share, 99.99):.2f}", "%")
    return _with_unit("< 0.01" if 0 < share < 0.01 else number(share), "%")


def cpu(value: float) -> str:
    """Percent of one core, whole: a finer figure would be noise."""
    return _with_unit("< 1" if 0 < value < 0.5 else f"{value:,.0f}", "%")


def signed(text: str, value: float) -> str:
    """`text` (already formatted from the absolute value) with its sign."""
    return text if value == 0 else f"{'+' if value > 0 else '−'}{text}"


def percentile(percentiles: Percentiles, key: str, with_count: bool = True) -> str:
    """A latency percentile; where it is not known, what is known about it: "≥ 2 s" or "— (n = 31)".

    `with_count=False` is for tables that have the count in a column of its own.
    """
    value: float | None = getattr(percentiles, key)
    if value is not None:
        return milliseconds(value)
    bound = percentiles.lower_bound.get(key)
    if bound is not None:
        return f"≥{NBSP}{milliseconds(bound)}"
    return f"{UNKNOWN} (n{NBSP}={NBSP}{count(percentiles.count)})" if with_count else UNKNOWN


def counted(how_many: int, noun: str) -> str:
    """1 node, 4 nodes."""
    return f"{count(how_many)} {noun}{'' if how_many == 1 else 's'}"


def trials(number_of_trials: int) -> str:
    """1 trial, 5 trials."""
    return counted(number_of_trials, "trial")


def interval(value: Interval, unit: str) -> str:
    """The interval around a median over trials, or why there is none. `unit` is "rate" or "milliseconds"."""
    if value.ci_low is None or value.ci_high is None:
        return f"{trials(value.trials)}: no interval"
    show = UNITS[unit]
    confidence = "" if value.confidence is None else f", {number(100 * value.confidence)}{NBSP}% confidence"
    return f"{show(value.ci_low)} to {show(value.ci_high)}{confidence}"


def span(low: float | None, high: float | None, unit: str) -> str:
    """The two ends of an interval with the unit once where they share it: "291–303 /s". Empty when one is unknown."""
    if low is None or high is None:
        return ""
    first, second = UNITS[unit](low), UNITS[unit](high)
    shared = first.partition(NBSP)[2] == second.partition(NBSP)[2]
    return f"{first.split(NBSP)[0]}–{second}" if shared else f"{first} – {second}"


def per_kind(counts: Mapping[str, int]) -> str:
    """`in flight bound 12, buffer empty 3`, largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{words(name)} {count(number_of)}" for name, number_of in ordered if number_of)


def words(name: str) -> str:
    """A snake_case name as words."""
    return name.replace("_", " ")


def listed(items: Sequence[str]) -> str:
    """A · a and b · a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _significant(value: float) -> float:
    return float(f"{value:.3g}")


def _with_unit(text: str, unit: str) -> str:
    return text if text == UNKNOWN else f"{text}{NBSP}{unit}"


UNITS = {"rate": rate, "milliseconds": milliseconds, "seconds": seconds, "size": size, "number": number}
