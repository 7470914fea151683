"""Statistics of trade-off tables. Knows nothing of curves.

Runs of one problem are not independent: the problem is the unit that was sampled, and is called
the *cluster* here. Every function takes tables with one row a cluster, which
:func:`cluster_means` makes of tables with one row a run; the name of the index, such as
``problem``, is the unit of resampling that results state. A column is a *contrast*: one number a
cluster whose mean is asked for, such as the mean log ratio of two criteria's test errors.

What holds and what does not was measured by simulation: ``experiments/coverage.py``.
"""

from earlystop_lab.inference.bootstrap import METHODS, intervals
from earlystop_lab.inference.comparisons import (
    MeanOverClusters,
    mean_over_clusters,
    ranks,
    slopes,
)
from earlystop_lab.inference.interpolation import interpolated
from earlystop_lab.inference.signs import holm
from earlystop_lab.inference.tables import cluster_means

__all__ = [
    "METHODS",
    "MeanOverClusters",
    "cluster_means",
    "holm",
    "interpolated",
    "intervals",
    "mean_over_clusters",
    "ranks",
    "slopes",
]
