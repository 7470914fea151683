"""Means, ranks and slopes over clusters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab.inference.bootstrap import (
    FEWEST_CLUSTERS,
    ROUNDING,
    intervals,
    resampled_weights,
    upper_quantile,
)
from earlystop_lab.inference.tables import FloatArray, checked


class MeanOverClusters(NamedTuple):
    """A mean over clusters with its two-sided interval and the p value of a test against 0.

    ``low``, ``high`` and ``p`` are NaN if there are too few clusters.
    """

    estimate: float
    low: float
    high: float
    p: float
    clusters: int


def mean_over_clusters(values: pd.Series, confidence: float = 0.95) -> MeanOverClusters:
    """Mean of one value per cluster, its bootstrap-t interval, and p value of the mean being 0.

    Interval and test are those of :func:`intervals`. With fewer than 6 clusters there is neither.

    Parameters
    ----------
    values : Series
        One finite value per cluster, at least 2.
    confidence : float
        Confidence of the interval.

    Returns
    -------
    MeanOverClusters

    Raises
    ------
    ValueError
        If there are fewer than 2 values or one is not finite.

    Examples
    --------

    >>> result = mean_over_clusters(pd.Series([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]))
    >>> round(result.estimate, 2), round(result.low, 2), round(result.p, 3), result.clusters
    (2.0, 0.85, 0.004, 6)
    """
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected finite values of at least 2 clusters, got {list(values)}")
    found = intervals(values, confidence=confidence).iloc[0]
    estimate, low, high, p = found[["estimate", "low", "high", "p"]].astype(float)
    return MeanOverClusters(estimate, low, high, p, len(values))


def sign_flip(values: pd.Series) -> float:
    """Two-sided p value of a mean over clusters being 0, by flipping the clusters' signs.

    All assignments of signs are tried up to 13 clusters, otherwise 9,999 random ones. Only for
    seeing how an answer depends on the test: where differences are skewed, it rejects too often
    (``experiments/interval_coverage.py``).

    Parameters
    ----------
    values : Series
        One finite value per cluster, at least 2, not all equal.

    Returns
    -------
    float
        NaN with fewer than 6 clusters.

    Examples
    --------

    >>> round(sign_flip(pd.Series([1.0, 2.0, 3.0, 1.0, 2.0, -1.0, 1.0])), 3)
    0.078
    """
    from scipy import stats  # slow to import

    if len(values) < FEWEST_CLUSTERS:
        return float("nan")
    flipped = stats.permutation_test(
        (values.to_numpy(float),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(flipped.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values: one is at most alpha if the step-down test at alpha rejects.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    >>> [round(value, 3) for value in holm([0.03, 0.01, 0.04])]
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(p, kind="stable")
    raised = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return [float(value) for value in adjusted]


def ranks(costs: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Mean rank of each rule over clusters (1 = lowest cost), with its interval: one row per rule.

    Ties share their mean rank. There is no critical difference of ranks: for 40 rules on 12
    problems, it would be half the scale.

    Parameters
    ----------
    costs : DataFrame
        One row per cluster and one column per rule. A cost is one number, such as error and time
        at an exchange rate, or regret at equal time. Do not use errors at unequal times: their
        ranks mostly follow speed.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        Columns as in :func:`intervals`.

    Examples
    --------

    >>> costs = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": [2.0, 1, 4, 5, 6, 6]})
    >>> ranks(costs)["estimate"].round(2).to_dict()
    {'x': 1.25, 'y': 1.75}
    """
    return intervals(_ranked(costs), seed=seed)


def mean_ranks(costs: pd.DataFrame) -> pd.Series:
    """The mean rank of each rule over clusters, without the intervals of :func:`ranks`.

    >>> costs = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6], "y": [2.0, 1, 4, 5, 6, 6]})
    >>> mean_ranks(costs).round(2).to_dict()
    {'x': 1.25, 'y': 1.75}
    """
    table = _ranked(costs)
    return pd.Series(table.to_numpy(float).mean(axis=0), table.columns)


def _ranked(costs: pd.DataFrame) -> pd.DataFrame:
    return checked(costs, infinite=True).rank(axis=1)


def slopes(table: pd.DataFrame, *, by: str, x: str, y: str) -> pd.Series:
    """Least-squares slope of log ``y`` on log ``x`` over the rows of each value of ``by``.

    If ``x`` is a time and ``y`` an error, this is an elasticity: at -0.037, four times the time
    means 4 ** -0.037 = 0.95 times the error.

    >>> table = pd.DataFrame({"problem": "a", "time": [1.0, 2.0, 4.0], "error": [4.0, 2.0, 1.0]})
    >>> slopes(table, by="problem", x="time", y="error").round(6).to_dict()
    {'a': -1.0}
    """
    from scipy import stats  # slow to import

    slope = {}
    for name, part in table.groupby(by, sort=False):
        if part[x].nunique() < 2 or not ((part[x] > 0) & (part[y] > 0)).all():
            raise ValueError(
                f"{by} {name!r}: a slope of logarithms requires positive {x} and {y}, and at least "
                f"two different values of {x}"
            )
        slope[name] = float(stats.linregress(np.log(part[x]), np.log(part[y])).slope)
    return pd.Series(slope, name="slope").rename_axis(by)


def slope_over_clusters(
    x: pd.Series, y: pd.Series, confidence: float = 0.95, *, resamples: int = 9_999, seed: int = 0
) -> MeanOverClusters:
    """Least-squares slope of ``y`` on ``x`` over clusters, with its interval and p value against 0.

    Clusters are resampled as pairs of ``x`` and ``y`` (symmetric bootstrap-t): with b the slope, r
    the residuals and d = x - mean(x), the standard error is s = sqrt(sum(d^2 r^2)) / sum(d^2), and
    the interval is b -+ q s with q the ``confidence`` quantile of abs(b* - b) / s* over the
    resamples. p is the share of resamples with at least abs(b) / s, counting the data as one more,
    so that p <= 1 - ``confidence`` exactly where the interval excludes 0. A resample in which all
    ``x`` are equal counts as infinite.

    Parameters
    ----------
    x, y : Series
        One finite value per cluster, at least 3, in the same order.
    confidence : float
        Confidence of the interval, in (0, 1).
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the resamples.

    Returns
    -------
    MeanOverClusters
        With fewer than 6 clusters there is no interval and no p value.

    Raises
    ------
    ValueError
        If there are fewer than 3 clusters, a value is not finite or all ``x`` are equal.

    Notes
    -----
    With the overfitting of the twelve recorded problems as ``x``, a nominal 5% test of a slope of 0
    rejected in 2% to 6% of 600 samples if the spread of ``y`` did not depend on ``x`` (normal, t3,
    exponential and lognormal; Student's t: 4% to 7%), in 2% to 6% if it fell with ``x`` (Student's
    t: 11% to 19%), and in 4% to 14% if it grew with ``x`` (Student's t: 6% to 14%). The tests have
    a smaller version of this.

    Source: P. Hall, The Bootstrap and Edgeworth Expansion, Springer 1992, section 4.3, doi
    10.1007/978-1-4612-4384-7.

    Examples
    --------

    >>> x = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> found = slope_over_clusters(x, 2 * x + [0.1, -0.2, 0.1, 0.2, -0.1, -0.1])
    >>> round(found.estimate, 2), found.low > 0, found.p < 0.05, found.clusters
    (1.98, True, True, 6)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; expected a number in (0, 1)")
    along, values = np.asarray(x, float), np.asarray(y, float)
    n = len(along)
    if n < 3 or not np.isfinite([along, values]).all():
        pairs = list(zip(along.tolist(), values.tolist(), strict=True))
        raise ValueError(f"expected finite pairs of at least 3 clusters, got {pairs}")
    if np.ptp(along) <= ROUNDING * np.abs(along).max():
        raise ValueError(f"x is {along[0]} in every cluster; a slope requires different values")
    slope, error = (float(each[0]) for each in _slope(along, values, np.full((1, n), 1 / n)))
    if n < FEWEST_CLUSTERS:
        return MeanOverClusters(slope, np.nan, np.nan, np.nan, n)
    if error <= ROUNDING * np.ptp(values) / np.ptp(along):
        # all points on one line; if it is level there is no evidence
        return MeanOverClusters(slope, slope, slope, 1.0 if np.ptp(values) == 0 else 0.0, n)
    t = np.empty(resamples)
    for rows, weights in resampled_weights(n, resamples, seed):
        slopes, errors = _slope(along, values, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            t[rows] = np.abs(slopes - slope) / errors
        # the comparison is also False for NaN
        t[rows][~(errors > ROUNDING * error)] = np.inf
    half = float(upper_quantile(t, confidence)) * error
    p = (1 + int((t >= abs(slope) / error).sum())) / (1 + resamples)
    return MeanOverClusters(slope, slope - half, slope + half, p, n)


def _slope(x: FloatArray, y: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The slope of each resample, a row of ``weights`` whose sum is 1, and its standard error."""
    away = x - (weights @ x)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (weights * away**2).sum(axis=1)
        slope = (weights * away * y).sum(axis=1) / spread
        left = y - (weights @ y)[:, None] - slope[:, None] * away
        error = np.sqrt((weights * away**2 * left**2).sum(axis=1) / len(x)) / spread
    return slope, error
