"""Statistics of trade-off tables. Knows nothing of curves.

Runs of one problem are not independent: the problem is the unit that was sampled, so every
test here is over problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats


class MeanOverClusters(NamedTuple):
    """A mean over clusters with its two-sided t interval and test against 0."""

    estimate: float
    low: float
    high: float
    p: float
    clusters: int


def mean_over_clusters(values: pd.Series, confidence: float = 0.95) -> MeanOverClusters:
    """Mean of one value a cluster, Student's t interval, and p of the mean being 0.

    Raises ``ValueError`` for fewer than two clusters or a value that is not finite.

    >>> result = mean_over_clusters(pd.Series([1.0, 2.0, 3.0]))
    >>> round(result.estimate, 2), round(result.low, 2), round(result.p, 3), result.clusters
    (2.0, -0.48, 0.074, 3)
    """
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected finite numbers of at least 2 clusters, got {list(values)}")
    if np.allclose(values, values.iloc[0], rtol=1e-12, atol=0):
        # no spread: no t statistic; all zero is no evidence at all
        same = float(values.iloc[0])
        return MeanOverClusters(same, same, same, 1.0 if same == 0 else 0.0, len(values))
    test = stats.ttest_1samp(values, 0)
    low, high = test.confidence_interval(confidence)
    return MeanOverClusters(
        float(values.mean()), float(low), float(high), float(test.pvalue), len(values)
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values: each at most alpha where the step-down test at alpha rejects.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    >>> [round(value, 3) for value in holm([0.03, 0.01, 0.04])]
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(p, kind="stable")
    raised = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return [float(value) for value in adjusted]


def slopes(table: pd.DataFrame, *, by: str, x: str, y: str) -> pd.Series:
    """Least-squares slope of log ``y`` on log ``x`` over the rows of each value of ``by``.

    With ``x`` a time and ``y`` an error this is an elasticity: at -0.037, four times the time
    means 4 ** -0.037 = 0.95 times the error.

    >>> table = pd.DataFrame({"problem": "a", "time": [1.0, 2.0, 4.0], "error": [4.0, 2.0, 1.0]})
    >>> slopes(table, by="problem", x="time", y="error").round(6).to_dict()
    {'a': -1.0}
    """
    found = {}
    for name, part in table.groupby(by, sort=False):
        if part[x].nunique() < 2 or not ((part[x] > 0) & (part[y] > 0)).all():
            raise ValueError(
                f"{by} {name!r}: a slope of logarithms needs positive {x} and {y}, and at least "
                f"two different {x}"
            )
        found[name] = float(stats.linregress(np.log(part[x]), np.log(part[y])).slope)
    return pd.Series(found, name="slope")
