"""How goodput follows offered load: the Universal Scalability Law, fitted to what was measured and valid only there.

X(N) = γN / (1 + αN + βN²): γ is the slope at small loads, α the cost of queueing for something shared, β the cost of
keeping copies consistent, which makes more load yield less. Source: Gunther, "A General Theory of Computational
Scalability Based on Rational Functions", arXiv:0808.1431 (2008). There N counts users or processors; here it is
transactions offered per second, so α and β have units and only the shape is Gunther's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

FEWEST_LOADS = 4
"""Three coefficients pass through any three points, so fewer than four different loads test nothing."""
SHAPES = ([0], [0, 1], [0, 2], [0, 1, 2])
"""Which of 1, N and N² the denominator has: trying each finds the optimum where α or β is held at zero."""
STEPS = 100
SOFTEST, STIFFEST = 1e-12, 1e12
"""Damping of a Levenberg–Marquardt step: below the first it is a Gauss–Newton step, at the second it moves nothing."""
FLATTEST = 1e-6
"""Of the largest load over the largest goodput: an initial slope a million times as steep is none that was measured."""
TOO_STEEP = 0.1
BENDS_LATE = (
    "γ is above 1: this ledger keeps up with the load and then levels off more sharply than the law can bend, "
    "so read the fit as a curve through the points"
)
"""Said when γ is above 1 by more than `TOO_STEEP`, as if more came out than went in."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of X(N) = γN / (1 + αN + βN²) with N and X in transactions per second.

    `gamma` has no unit, `alpha` is in s, `beta` in s². `r_squared` and `rmse` are of goodput, in the given points
    (`r_squared` is None when goodput does not vary). `lowest` and `highest` bound the offered loads. `peak` is the
    *offered* load with the highest fitted goodput, √(1/β), None unless it lies between them; the goodput there is
    `at(peak)`. Coefficients are None when nothing was fitted, and `note` then says why.
    """

    gamma: float | None
    alpha: float | None
    beta: float | None
    r_squared: float | None
    rmse: float | None
    points: int
    lowest: float | None
    highest: float | None
    peak: float | None
    note: str

    def at(self, offered: float) -> float | None:
        """Fitted goodput per second at `offered` per second; None outside the measured loads or when not fitted."""
        if self.gamma is None or self.alpha is None or self.beta is None or self.lowest is None or self.highest is None:
            return None
        if not self.lowest <= offered <= self.highest:
            return None
        return self.gamma * offered / (1 + self.alpha * offered + self.beta * offered**2)


def fit_usl(offered: Sequence[float], goodput: Sequence[float]) -> Fit:
    """Least squares of goodput itself with α, β ≥ 0, from a start by the linearised law N/X = (1 + αN + βN²)/γ.

    Both in transactions per second, one entry per attempt, any order. ValueError when the lengths differ, a value is
    not finite, an offered load is not positive or a goodput is negative.
    """
    loads, yields = _checked(offered, goodput)
    different = len(np.unique(loads))
    if different < FEWEST_LOADS:
        return _unfitted(loads, f"{different} different loads, at least {FEWEST_LOADS} are needed")
    if not yields.any():
        return _unfitted(loads, "no goodput at any load")
    scale, unit = loads.max(), yields.max()
    factors = min((_fitted(loads / scale, yields / unit, free) for free in SHAPES), key=lambda found: found[1])[0]
    if factors[0] < FLATTEST:
        return _unfitted(loads, "goodput does not rise with load anywhere: γ needs loads below saturation")
    gamma, alpha, beta = unit / scale / factors[0], factors[1] / factors[0] / scale, factors[2] / factors[0] / scale**2
    return _judged(loads, yields, float(gamma), float(alpha), float(beta))


def _judged(loads: Vector, yields: Vector, gamma: float, alpha: float, beta: float) -> Fit:
    """The fit with its quality, in the units of the caller."""
    squares = float(np.sum((yields - gamma * loads / (1 + alpha * loads + beta * loads**2)) ** 2))
    varied = float(np.sum((yields - yields.mean()) ** 2))
    peak = math.sqrt(1 / beta) if beta else math.inf
    lowest, highest = float(loads.min()), float(loads.max())
    return Fit(
        gamma=gamma,
        alpha=alpha,
        beta=beta,
        r_squared=1 - squares / varied if varied else None,
        rmse=math.sqrt(squares / len(loads)),
        points=len(loads),
        lowest=lowest,
        highest=highest,
        peak=peak if lowest < peak < highest else None,
        note=BENDS_LATE if gamma > 1 + TOO_STEEP else "",
    )


def _unfitted(loads: Vector, note: str) -> Fit:
    lowest, highest = (float(loads.min()), float(loads.max())) if len(loads) else (None, None)
    return Fit(None, None, None, None, None, len(loads), lowest, highest, None, note)


def _fitted(loads: Vector, yields: Vector, free: list[int]) -> tuple[Vector, float]:
    """Factors c ≥ 0 of X = N/(c₀ + c₁N + c₂N²), those outside `free` zero, and the sum of squares they leave.

    Levenberg–Marquardt on X, each step cut off at zero. Source: Marquardt, SIAM J. Appl. Math. 11 (1963).
    """
    powers = loads[:, None] ** np.arange(3)
    factors = _start(powers, yields, free)
    squares, damping = _squares(powers, yields, factors), 1e-3
    for _ in range(STEPS):
        model = loads / (powers @ factors)
        slopes = -(model**2 / loads)[:, None] * powers[:, free]
        normal = slopes.T @ slopes
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), slopes.T @ (yields - model))
        tried = factors.copy()
        tried[free] = np.maximum(factors[free] + step, 0.0)
        left = _squares(powers, yields, tried)
        if left < squares:
            factors, squares, damping = tried, left, max(damping / 10, SOFTEST)
        elif damping > STIFFEST:
            break
        else:
            damping *= 10
    return factors, squares


def _start(powers: Vector, yields: Vector, free: list[int]) -> Vector:
    """Linear least squares of N/X, weighted by X²/N so that errors count as they do in X; kept above zero."""
    weights = yields**2 / powers[:, 1]
    found = np.linalg.lstsq(weights[:, None] * powers[:, free], yields, rcond=None)[0]
    factors = np.zeros(3)
    factors[free] = np.maximum(found, 0.0)
    factors[0] = max(factors[0], FLATTEST)
    return factors


def _squares(powers: Vector, yields: Vector, factors: Vector) -> float:
    below = powers @ factors
    return float(np.sum((yields - powers[:, 1] / below) ** 2)) if below.min() > 0 else math.inf


def _checked(offered: Sequence[float], goodput: Sequence[float]) -> tuple[Vector, Vector]:
    loads, yields = np.asarray(offered, float), np.asarray(goodput, float)
    if len(loads) != len(yields):
        raise ValueError(f"{len(loads)} offered loads for {len(yields)} goodputs")
    if not (np.isfinite(loads).all() and np.isfinite(yields).all() and (loads > 0).all() and (yields >= 0).all()):
        raise ValueError("offered loads must be positive and goodputs not negative, all of them finite")
    return loads, yields
