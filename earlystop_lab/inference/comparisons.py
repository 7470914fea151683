"""Means, ranks and slopes over clusters."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS, intervals
from earlystop_lab.inference.tables import checked


class MeanOverClusters(NamedTuple):
    """A mean over clusters with its two-sided t interval and the p value of a test against 0.

    ``low``, ``high`` and ``p`` are NaN if there are too few clusters.
    """

    estimate: float
    low: float
    high: float
    p: float
    clusters: int


def mean_over_clusters(values: pd.Series, confidence: float = 0.95) -> MeanOverClusters:
    """Mean of one value per cluster, Student's t interval, and p value of the mean being 0.

    With fewer than 6 clusters there is no interval and no p value (two equal values would have a p
    value of 0).

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
    (2.0, 1.06, 0.003, 6)
    """
    from scipy import stats  # slow to import

    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected finite values of at least 2 clusters, got {list(values)}")
    mean = low = high = float(values.mean())
    if np.allclose(values, values.iloc[0], rtol=1e-12, atol=0):
        # without spread there is no t statistic; if all values are zero there is no evidence
        p = 1.0 if mean == 0 else 0.0
    else:
        test = stats.ttest_1samp(values, 0)
        p, (low, high) = float(test.pvalue), map(float, test.confidence_interval(confidence))
    if len(values) < FEWEST_CLUSTERS:
        low = high = p = np.nan
    return MeanOverClusters(mean, low, high, p, len(values))


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
