import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.incomplete_beta import incomplete_beta


@st.composite
def binomials(draw):
    trials = draw(st.integers(1, 60))
    return trials, draw(st.integers(1, trials)), Fraction(draw(st.integers(1, 999)), 1000)


@given(binomials())
def test_it_is_the_upper_tail_of_a_binomial(case):
    trials, successes, share = case
    exact = sum(
        math.comb(trials, hits) * share**hits * (1 - share) ** (trials - hits) for hits in range(successes, trials + 1)
    )
    assert incomplete_beta(successes, trials - successes + 1, float(share)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "x", "expected"),
    [
        (1, 1, 0.3, 0.3),
        (3, 1, 0.5, 0.125),
        (1, 3, 0.5, 0.875),
        (0.5, 0.5, 0.25, 1 / 3),  # the arcsine law
        (7, 7, 0.5, 0.5),
        (2, 3, 0, 0),
        (2, 3, 1, 1),
    ],
)
def test_known_values(a, b, x, expected):
    assert incomplete_beta(a, b, x) == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize(("successes", "share"), [(50_000, 0.4969), (1, 1e-6), (99_000, 0.9905), (600, 0.005)])
def test_a_hundred_thousand_trials(successes, share):
    trials = 100_000
    logs = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(trials + 1)]
    hits = np.arange(trials + 1)
    chances = np.exp(np.array(logs) + hits * math.log(share) + (trials - hits) * math.log1p(-share))
    found = incomplete_beta(successes, trials - successes + 1, share)
    assert found == pytest.approx(math.fsum(chances[successes:]), rel=1e-8)


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.integers(0, 1024))
def test_it_is_a_distribution_with_its_mirror(a, b, step):
    x = step / 1024  # 1 − x is exact
    value = incomplete_beta(a, b, x)
    assert -1e-12 <= value <= 1 + 1e-12
    assert value + incomplete_beta(b, a, 1 - x) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("a", "b", "x"), [(0, 1, 0.5), (1, 0, 0.5), (1, 1, -0.1), (1, 1, 1.1), (1, 1, math.nan)])
def test_outside_its_domain_it_is_refused(a, b, x):
    with pytest.raises(ValueError, match=f"a={a}, b={b}"):
        incomplete_beta(a, b, x)


def test_what_does_not_settle_is_no_number(monkeypatch):
    monkeypatch.setattr("bench.stats.incomplete_beta.MOST_TERMS", 3)
    with pytest.raises(ArithmeticError, match=r"a=50, b=50, x=0.5 does not settle"):
        incomplete_beta(50, 50, 0.5)
