"""Statistics of trade-off tables; independent of curves.

Runs of the same problem are not independent. The problem is the sampled unit, and is called the
*cluster* here. Every function takes tables with one row per cluster, which :func:`cluster_means`
makes from tables with one row per run. The name of the index, such as ``problem``, is reported as
the unit of resampling. A column is a *contrast*: one number per cluster whose mean is of interest,
such as the mean log ratio of two criteria's test errors.

The coverage and error rates of these methods were measured by simulation:
``experiments/interval_coverage.py``.
"""

from earlystop_lab.inference.bootstrap import METHODS, intervals
from earlystop_lab.inference.comparisons import (
    MeanOverClusters,
    holm,
    mean_over_clusters,
    mean_ranks,
    ranks,
    sign_flip,
    slope_over_clusters,
    slopes,
)
from earlystop_lab.inference.interpolation import interpolated
from earlystop_lab.inference.tables import cluster_means

__all__ = [
    "METHODS",
    "MeanOverClusters",
    "cluster_means",
    "holm",
    "interpolated",
    "intervals",
    "mean_over_clusters",
    "mean_ranks",
    "ranks",
    "sign_flip",
    "slope_over_clusters",
    "slopes",
]
