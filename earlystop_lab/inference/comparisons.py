"""Means, ranks and slopes over clusters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS, intervals
from earlystop_lab.inference.tables import checked


class MeanOverClusters(NamedTuple):
    """A mean over clusters with its two-sided interval and the p value of a test against 0.

    ``low``, ``high`` and ``p`` are NaN if there are too few clusters.
    """

    estimate: float
    low: float
    high: float
    p: float
    clusters: int


class ByTest(NamedTuple):
    """Two-sided p values of one mean over clusters being 0, by different tests.

    All are NaN if there are too few clusters.
    """

    #: symmetric bootstrap-t, the test that answers rest on; see :func:`intervals`
    bootstrap_t: float
    #: Student's t
    t: float
    #: sign flips of the mean, all of them up to 13 clusters, otherwise 9,999 random ones
    sign_flip: float
    #: the largest bootstrap-t p value with any one cluster left out, and that cluster
    without_one: float
    without: object


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


def by_test(values: pd.Series) -> ByTest:
    """How the p value of a mean over clusters depends on the test, and on single clusters.

    Parameters
    ----------
    values : Series
        One finite value per cluster, at least 2, not all equal.

    Returns
    -------
    ByTest

    Examples
    --------

    >>> values = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 1.0, "e": 2.0, "f": -1.0, "g": 1.0})
    >>> found = by_test(values)
    >>> round(found.t, 3), round(found.sign_flip, 3), found.without
    (0.035, 0.078, 'c')
    """
    from scipy import stats  # slow to import

    whole = mean_over_clusters(values).p
    if len(values) < FEWEST_CLUSTERS:
        return ByTest(np.nan, np.nan, np.nan, np.nan, None)
    flipped = stats.permutation_test(
        (values.to_numpy(float),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    # NaN if too few are left
    without = {name: mean_over_clusters(values.drop(name)).p for name in values.index}
    largest = max(without, key=lambda name: -np.inf if np.isnan(without[name]) else without[name])
    t = float(stats.ttest_1samp(values, 0).pvalue)
    return ByTest(whole, t, float(flipped.pvalue), without[largest], largest)


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
