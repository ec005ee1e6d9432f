import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.scalability import BENDS_LATE, Fit, fit_usl

LOADS = np.array([50.0, 100, 200, 400, 600, 800, 1000])


def law(loads, gamma, alpha, beta):
    return gamma * loads / (1 + alpha * loads + beta * loads**2)


@pytest.mark.parametrize(
    ("gamma", "alpha", "beta"),
    [(0.98, 1e-3, 2e-6), (1, 0, 0), (0.9, 2e-3, 0), (0.9, 0, 3e-6), (0.5, 1e-2, 1e-5), (1, 1e-5, 1e-9)],
)
def test_the_law_is_recovered(gamma, alpha, beta):
    fit = fit_usl(LOADS.tolist(), law(LOADS, gamma, alpha, beta).tolist())
    assert (fit.gamma, fit.alpha, fit.beta) == pytest.approx((gamma, alpha, beta), rel=1e-6, abs=1e-12)
    assert fit.r_squared == pytest.approx(1)
    assert fit.rmse == pytest.approx(0, abs=1e-6)
    assert (fit.points, fit.lowest, fit.highest, fit.note) == (7, 50, 1000, "")


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 1.0), st.floats(0, 5.0), st.floats(0, 5.0), st.floats(1, 1e5))
def test_the_law_is_recovered_at_any_scale(gamma, alpha, beta, highest):
    loads = highest * np.array([0.05, 0.1, 0.3, 0.5, 0.8, 1.0])
    fit = fit_usl(loads, law(loads, gamma, alpha / highest, beta / highest**2))
    assert fit.gamma == pytest.approx(gamma, rel=1e-4)
    assert fit.alpha * highest == pytest.approx(alpha, abs=1e-3)
    assert fit.beta * highest**2 == pytest.approx(beta, abs=1e-3)


def test_errors_are_those_of_goodput_and_least():
    random = np.random.default_rng(1)
    measured = law(LOADS, 0.98, 1e-3, 2e-6) + random.normal(0, 5, 7)
    fit = fit_usl(LOADS, measured)
    left = measured - [fit.at(load) for load in LOADS]
    assert fit.rmse == pytest.approx(math.sqrt(np.mean(left**2)))
    assert fit.r_squared == pytest.approx(1 - np.sum(left**2) / np.sum((measured - measured.mean()) ** 2))
    assert fit.r_squared < 1
    for gamma in (0.999, 1, 1.001):
        for alpha in (0.99, 1, 1.01):
            for beta in (0.99, 1, 1.01):
                other = measured - law(LOADS, gamma * fit.gamma, alpha * fit.alpha, beta * fit.beta)
                assert np.sum(other**2) >= np.sum(left**2) * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_no_admissible_coefficients_nearby_are_better(seed, noise):
    random = np.random.default_rng(seed)
    measured = np.maximum(law(LOADS, 0.95, 10 ** random.uniform(-5, -2), 10 ** random.uniform(-8, -5)), 0)
    measured *= np.maximum(1 + noise * random.normal(0, 1, 7), 0)
    fit = fit_usl(LOADS, measured)
    if fit.gamma is None:
        return
    assert min(fit.alpha, fit.beta) >= 0
    squares = fit.rmse**2 * 7
    for gamma in (0.99, 1, 1.01):
        for alpha in (-1e-5, 0, 1e-5):
            for beta in (-1e-8, 0, 1e-8):
                other = law(LOADS, gamma * fit.gamma, max(0, fit.alpha + alpha), max(0, fit.beta + beta))
                assert np.sum((measured - other) ** 2) >= squares * (1 - 1e-6) - 1e-9


def test_coefficients_that_would_be_negative_are_zero():
    fit = fit_usl([1, 2, 3, 4], [1, 2.1, 3.3, 4.6])  # bends upwards
    assert (fit.alpha, fit.beta) == (0, 0)
    assert fit.gamma == pytest.approx((1 + 4.2 + 9.9 + 18.4) / 30)
    assert fit.note == BENDS_LATE


def test_the_order_of_attempts_and_repeats_of_a_load_do_not_matter():
    loads = [100.0, 400, 400, 200, 50, 800]
    measured = [99.0, 330, 340, 185, 50, 480]
    fit = fit_usl(loads, measured)
    again = fit_usl(loads[::-1], measured[::-1])
    assert (fit.gamma, fit.alpha, fit.beta) == pytest.approx((again.gamma, again.alpha, again.beta), rel=1e-6)
    assert (fit.points, fit.lowest, fit.highest) == (6, 50, 800)


def test_a_peak_is_named_only_inside_the_measured_loads():
    def peak(beta):
        return fit_usl(LOADS, law(LOADS, 1, 1e-3, beta)).peak

    assert peak(1 / 700**2) == pytest.approx(700)
    assert peak(1 / 999**2) == pytest.approx(999)
    assert peak(1 / 1001**2) is None
    assert peak(0) is None
    assert peak(1 / 51**2) == pytest.approx(51)
    assert peak(1 / 49**2) is None


def test_the_fitted_goodput_is_highest_at_the_peak():
    fit = fit_usl(LOADS, law(LOADS, 1, 1e-3, 2e-6))
    assert fit.at(fit.peak) == pytest.approx(1 / (1e-3 + 2 * math.sqrt(2e-6)))
    assert fit.at(fit.peak) > max(fit.at(fit.peak - 5), fit.at(fit.peak + 5))


def test_it_never_extrapolates():
    fit = Fit(2.0, 0.5, 0.25, 1.0, 0.0, 4, 1.0, 4.0, None, "")
    assert [fit.at(load) for load in (1, 2, 4)] == [2 / 1.75, 4 / 3, 8 / 7]
    assert [fit.at(load) for load in (0.999, 4.001, 0, -1)] == [None] * 4
    assert Fit(None, None, None, None, None, 4, 1.0, 4.0, None, "why").at(2) is None
    for unknown in ("gamma", "alpha", "beta", "lowest", "highest"):
        assert replace(fit, **{unknown: None}).at(2) is None


def test_a_ledger_that_levels_off_sharply_is_fitted_with_a_remark():
    fit = fit_usl(LOADS, np.minimum(LOADS, 450))
    assert fit.gamma == pytest.approx(1.176, abs=1e-3)
    assert fit.r_squared == pytest.approx(0.9915, abs=1e-4)
    assert fit.note == BENDS_LATE
    assert fit_usl(LOADS, law(LOADS, 1.09, 0, 0)).note == ""
    assert fit_usl(LOADS, law(LOADS, 1.11, 0, 0)).note == BENDS_LATE


def test_a_load_without_any_goodput_counts_as_a_point():
    fit = fit_usl(LOADS, np.where(LOADS > 700, 0.0, LOADS))
    assert fit.points == 7
    assert fit.rmse > 100


@pytest.mark.parametrize(
    ("loads", "goodput", "note"),
    [
        ([], [], "0 different loads, at least 4 are needed"),
        ([10, 20, 30], [10, 20, 30], "3 different loads, at least 4 are needed"),
        ([10, 20, 30, 30, 20], [10, 20, 30, 31, 19], "3 different loads, at least 4 are needed"),
        ([10, 20, 30, 40], [0, 0, 0, 0], "no goodput at any load"),
        ([10, 20, 30, 40], [7, 7, 7, 7], "goodput does not rise with load anywhere: γ needs loads below saturation"),
    ],
)
def test_what_is_not_fitted_says_why(loads, goodput, note):
    fit = fit_usl(loads, goodput)
    assert (fit.gamma, fit.alpha, fit.beta, fit.r_squared, fit.rmse, fit.peak) == (None,) * 6
    assert fit.note == note
    assert (fit.points, fit.lowest, fit.highest) == (len(loads), min(loads, default=None), max(loads, default=None))


def test_goodput_that_falls_has_no_slope_to_begin_with():
    for loads, goodput in (
        ([248.0, 258.9, 757.6, 772.8, 846.1], [0.7, 0.5, 0.2, 0.2, 0.3]),
        ([481.8, 603.2, 655.5, 801.1, 813.7], [4.4, 3.4, 3.0, 5.0, 3.1]),
        ([90, 480, 700, 900], [90, 0, 0, 0]),
    ):
        assert fit_usl(loads, goodput).note.startswith("goodput does not rise with load anywhere")


def test_four_loads_are_enough():
    assert fit_usl([10, 20, 30, 40], [10, 20, 30, 40]).gamma == pytest.approx(1)


@pytest.mark.parametrize(
    ("loads", "goodput", "message"),
    [
        ([1, 2, 3, 4], [1, 2, 3], "4 offered loads for 3 goodputs"),
        ([0, 2, 3, 4], [1, 2, 3, 4], "positive"),
        ([1, 2, 3, 4], [1, 2, 3, -1], "not negative"),
        ([1, 2, 3, math.inf], [1, 2, 3, 4], "finite"),
        ([1, 2, 3, 4], [1, 2, 3, math.nan], "finite"),
    ],
)
def test_what_is_no_measurement_is_refused(loads, goodput, message):
    with pytest.raises(ValueError, match=message):
        fit_usl(loads, goodput)
