"""The slope over clusters against least squares, a loop over resamples, and its own interval."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy import stats

from earlystop_lab.inference import slope_over_clusters

X = pd.Series([0.04, 0.04, 0.19, 0.23, 0.36, 0.38, 0.45, 0.46, 0.58, 0.61, 0.69, 0.86])
Y = pd.Series([1.3, 1.0, 0.7, -0.3, -0.3, -4.1, 1.8, -2.8, -0.4, 0.1, 0.3, -0.4])


def drawn(n, resamples, seed):
    """The resamples, as the numbers of the clusters in them."""
    return np.random.default_rng(seed).integers(n, size=(resamples, n))


def by_hand(x, y):
    """Slope and standard error by least squares, with residuals weighted by the leverage."""
    design = np.column_stack([np.ones(len(x)), x])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    residuals = y - design @ coefficients
    middle = design.T @ (design * residuals[:, None] ** 2)
    return coefficients[1], math.sqrt((inverse @ middle @ inverse)[1, 1])


def test_each_number_is_what_a_loop_over_resamples_finds():
    slope, error = by_hand(X.to_numpy(), Y.to_numpy())
    t = []
    for rows in drawn(12, 999, 3):
        x, y = X.to_numpy()[rows], Y.to_numpy()[rows]
        if np.ptp(x) == 0:
            t.append(math.inf)
            continue
        one, spread = by_hand(x, y)
        t.append(abs(one - slope) / spread if spread > 0 else math.inf)
    found = slope_over_clusters(X, Y, 0.9, resamples=999, seed=3)
    assert found.estimate == pytest.approx(slope)
    assert found.p == pytest.approx((1 + sum(each >= abs(slope) / error for each in t)) / 1000)
    half = sorted(t)[math.ceil(0.9 * 998)] * error
    assert (found.low, found.high) == pytest.approx((slope - half, slope + half))
    assert found.clusters == 12


pairs = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=6, max_size=12)


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_p_is_small_exactly_where_the_interval_excludes_zero(values):
    x, y = (pd.Series(each) for each in zip(*values, strict=True))
    assume(x.std() > 1e-3)
    found = slope_over_clusters(x, y)
    assert found.estimate == pytest.approx(stats.linregress(x, y).slope, rel=1e-6, abs=1e-6)
    assert (found.p <= 0.05) == (found.low > 0 or found.high < 0)


def test_another_scale_of_x_and_y_scales_the_interval():
    found, scaled = slope_over_clusters(X, Y), slope_over_clusters(10 * X + 3, -2 * Y + 5)
    expected = [-found.estimate / 5, -found.high / 5, -found.low / 5, found.p]
    assert list(scaled[:4]) == pytest.approx(expected)


def test_points_on_a_line_have_no_spread():
    assert slope_over_clusters(X, 0 * X) == (0, 0, 0, 1, 12)
    found = slope_over_clusters(X, 2 * X + 1)
    assert found == pytest.approx((2, 2, 2, 0, 12))


def test_fewer_than_six_clusters_have_no_interval():
    found = slope_over_clusters(X[:5], Y[:5])
    assert found.estimate == pytest.approx(stats.linregress(X[:5], Y[:5]).slope)
    assert all(math.isnan(each) for each in (found.low, found.high, found.p))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "at least 3 clusters"),
        ([1.0, 2.0, math.nan], [1.0, 2.0, 3.0], "finite"),
        ([1.0, 2.0, 3.0], [1.0, math.inf, 3.0], "finite"),
        ([2.0, 2.0, 2.0], [1.0, 2.0, 3.0], "x is 2.0 in every cluster"),
    ],
)
def test_what_has_no_slope_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        slope_over_clusters(pd.Series(x), pd.Series(y))


@pytest.mark.parametrize("confidence", [0, 1, 1.5])
def test_a_confidence_is_between_0_and_1(confidence):
    with pytest.raises(ValueError, match="confidence"):
        slope_over_clusters(X, Y, confidence)


@pytest.mark.parametrize(("spread", "at_most"), [("even", 0.09), ("falling", 0.10)])
def test_a_slope_of_0_is_seldom_rejected(spread, at_most):
    """A small version of the numbers in the docstring; Student's t rejects 19% of falling ones."""
    rng = np.random.default_rng(0)
    scale = 1.0 if spread == "even" else 1 / (X.to_numpy() + 0.1)
    samples = scale * (rng.lognormal(size=(200, 12)) - math.exp(0.5))
    p = [slope_over_clusters(X, pd.Series(each), resamples=499).p for each in samples]
    assert np.mean(np.array(p) <= 0.05) <= at_most
    t = [stats.linregress(X, each).pvalue for each in samples]
    assert spread == "even" or np.mean(np.array(t) <= 0.05) > 1.5 * at_most
