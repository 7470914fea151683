"""Means over all runs, with intervals over what the runs are samples of."""

import pandas as pd

from earlystop_lab.inference import cluster_means, intervals


def intervals_over_runs(
    values: pd.DataFrame, clusters: pd.Index, *, simultaneous: bool = False
) -> pd.DataFrame:
    """Intervals of means over all runs, where whole clusters are the sample: one row per column.

    An estimate is the mean m over all runs, so that a cluster counts by its size; its interval is
    that of the mean over C clusters of m + C / N sum(y - m), with the sum over the cluster's runs
    and N the number of all (:func:`inference.intervals`).

    Parameters
    ----------
    values : DataFrame
        One row per run, one column per contrast.
    clusters : Index
        What each run is a sample of: its data set, problem, or the run itself.
    simultaneous : bool
        Make one band of all intervals.

    Returns
    -------
    DataFrame
        Columns as in :func:`inference.intervals`.

    Examples
    --------
    >>> values = pd.DataFrame({"GL(5)": [0.0, 1.0, 2.0, 5.0]})
    >>> found = intervals_over_runs(values, pd.Index(["a", "a", "a", "b"], name="dataset"))
    >>> float(found.loc["GL(5)", "estimate"]), int(found.loc["GL(5)", "clusters"])
    (2.0, 2)
    """
    share = clusters.value_counts() * clusters.nunique() / len(clusters)
    mean = values.mean(axis=0)
    away = cluster_means(values - mean, clusters)
    return intervals(away.mul(share, axis=0) + mean, simultaneous=simultaneous)
