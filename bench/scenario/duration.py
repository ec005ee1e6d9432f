"""Durations as people write them (`20s`, `5ms`, `1m30s`) and as the code keeps them: integer nanoseconds."""

from __future__ import annotations

import re
from fractions import Fraction

from bench.model.clock import NS_PER_S

UNITS_NS = {"h": 3600 * NS_PER_S, "m": 60 * NS_PER_S, "s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Units that may be written, longest first."""
LONGEST_NS = 366 * 24 * UNITS_NS["h"]
PATTERN = r"^([0-9]+(\.[0-9]+)?(h|ms|m|us|ns|s))+$"
"""What `parse_duration` takes as text, as a regular expression for editors."""

_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|us|ns|s)")


def parse_duration(value: object) -> int:
    """Nanoseconds of `"20s"`, `"1m30s"`, `"2.5ms"`, or of a plain number of seconds; exact, never rounded.

    ValueError says what it is instead: not a duration, negative, finer than 1 ns, longer than 366 days.
    """
    exact = _exact_ns(value)
    if exact is None or exact < 0:
        raise ValueError("is not a duration")
    if exact.denominator != 1:
        raise ValueError("is finer than a nanosecond")
    if exact > LONGEST_NS:
        raise ValueError("is longer than a year")
    return int(exact)


def format_duration(ns: int) -> str:
    """The shortest exact spelling in one unit: `90s`, `2m`, `5ms`. `parse_duration` gives `ns` back."""
    for unit, size in UNITS_NS.items():
        if ns and ns % size == 0:
            return f"{ns // size}{unit}"
    return "0s"


def _exact_ns(value: object) -> Fraction | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # repr, because 0.1 means a tenth of a second and not the nearest binary number
        return Fraction(repr(value)) * NS_PER_S if _finite(value) else None
    if isinstance(value, str) and _WHOLE.fullmatch(text := value.strip()):
        return sum((Fraction(number) * UNITS_NS[unit] for number, unit in _PART.findall(text)), Fraction(0))
    return None


def _finite(value: float) -> bool:
    return abs(value) <= LONGEST_NS
