"""Stop on a hold-out, then train on all data: for how long?

Whoever has found a number of epochs on a part of the data and trains again on all of it has nothing
to stop by. Folklore takes the same number, or that number over the share of the data that the first
training had (best_rounds / (1 - 1 / k) for one of k folds), as the same number of steps an example
would ask for. This module measures it on pairs of runs.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.wording import listed
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.inference import cluster_means, intervals

#: powers of 1 / share that are compared: the same number, the same per example, and its square
POWERS = (0.0, 1.0, 2.0)
#: factors among which the best one is looked for
FACTORS = np.geomspace(0.25, 4, 33)


class Refit(NamedTuple):
    """How long to train on all data, as a multiple of the best epoch on a part of it."""

    #: the geometric mean over data sets of the factor that is best for each, with its interval
    factor: float
    low: float
    high: float
    #: one row per power p of 1 / share: change of the test error when trained for t / share ** p,
    #: against training for t, with its interval
    powers: pd.DataFrame
    #: of data sets
    unit: str
    clusters: int
    pairs: int
    #: pairs whose second run ends before the longest of these trainings; their last check counts
    short: int


def refit(curves: CurveSet) -> Refit:
    """How long to train on all data after a training on a part of it was stopped.

    Each pair is two runs with the same value in the column ``pair``: one with a ``share`` below 1,
    the share of the data that it was trained on, whose lowest validation error is at t; and one
    with a share of 1 and a test error at each check. What is kept at a time between two checks
    is the later one.

    Parameters
    ----------
    curves : CurveSet

    Returns
    -------
    Refit
        The factor of a data set is the one of :data:`FACTORS` with the lowest mean log test error
        over its pairs, the one nearest to 1 of equal ones.

    Raises
    ------
    ValueError
        If the columns ``pair`` and ``share`` are lacking, a pair is not two such runs, or there are
        fewer than 6 data sets, since a factor without an interval would mislead.

    Examples
    --------

    >>> runs = []
    >>> for i in range(6):
    ...     falls = [9.0 - min(t, 4 + i % 2) + 0.1 * t for t in range(12)]
    ...     about = {"pair": str(i), "dataset": str(i)}
    ...     runs.append({"run": f"{i}a", "val": [3.0, 1.0, 2.0] * 4, "share": 0.8, **about})
    ...     runs.append({"run": f"{i}b", "test": falls, "share": 1.0, **about})
    >>> found = refit(CurveSet.from_runs(runs))
    >>> round(found.factor, 1), found.pairs, found.clusters
    (2.4, 6, 6)
    """
    require_curves("refit", curves)
    if lacking := [name for name in ("pair", "share", "val", "test") if not curves.has(name)]:
        raise ValueError(
            f"refit: the curves have no {listed(lacking)}; expected pairs of runs: column 'pair' "
            "names "
            "them, 'share' is the share of the data that was trained on, below 1 with a validation "
            "error, and 1 with a test error"
        )
    about = curves.meta.assign(row=np.arange(len(curves)))
    lowest, clusters = facts_of(curves).lowest("val"), facts_of(curves).clusters
    losses, sets, ends, shares = [], [], [], []
    for name, two in about.groupby("pair", sort=False):
        part = two[two["share"] < 1]["row"]
        whole = two[two["share"] == 1]["row"]
        if len(part) != 1 or len(whole) != 1 or np.isnan(lowest.epoch[part.iloc[0]]):
            raise ValueError(
                f"refit: pair {name!r} has {len(part)} runs with a share below 1 and {len(whole)} "
                "with "
                "a share of 1; expected one of each, the first with a validation error"
            )
        curve, stop = curves[int(whole.iloc[0])], lowest.epoch[part.iloc[0]]
        share = float(two["share"].min())
        wanted = stop * np.concatenate([FACTORS, share ** -np.array(POWERS)])
        losses.append(_error_at(curve["test"], curve.epoch, wanted))
        ends.append(wanted[-1] > curve.epoch[-1])
        sets.append(clusters[whole.iloc[0]])
        shares.append(share)
    means = cluster_means(pd.DataFrame(np.log(losses)), pd.Index(sets, name=clusters.name))
    if len(means) < 6:
        raise ValueError(f"refit: {len(means)} data sets are too few; expected at least 6")
    grid = means.to_numpy()[:, : len(FACTORS)]
    near = np.argsort(np.abs(np.log(FACTORS)), kind="stable")
    best = FACTORS[near][grid[:, near].argmin(axis=1)]
    found = intervals(pd.DataFrame({"factor": np.log(best)}, index=means.index)).iloc[0]
    powers = means.iloc[:, len(FACTORS) :].set_axis(list(POWERS), axis=1)
    against = powers.iloc[:, 1:].sub(powers.iloc[:, 0], axis=0)
    changes = intervals(against).rename_axis("power").reset_index()
    changes[["estimate", "low", "high"]] = np.expm1(changes[["estimate", "low", "high"]])
    factor, low, high = np.exp(found[["estimate", "low", "high"]].to_numpy(float)).tolist()
    return Refit(
        factor, low, high, changes, str(found["unit"]), len(means), len(sets), int(sum(ends))
    )


def _error_at(test: FloatArray, epochs: FloatArray, wanted: FloatArray) -> FloatArray:
    """The error at the first check that is not before each time, at most the last."""
    found: FloatArray = test[np.searchsorted(epochs, wanted - 1e-9).clip(max=len(test) - 1)]
    return found
