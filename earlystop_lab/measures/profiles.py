"""Profiles: how many runs a criterion serves well, rather than how well on average."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from earlystop_lab.curves import FloatArray
from earlystop_lab.measures.over_runs import intervals_over_runs


def regret_profile(values: FloatArray, criteria: list[str], within: ArrayLike) -> pd.DataFrame:
    """Share of runs with a regret of at most x: one column per criterion, one row per x.

    Each run is compared with its own lowest error, so a column does not depend on the others. (In
    the profiles of Dolan and Moré, it is compared with the best of the pool.)

    Parameters
    ----------
    values : ndarray, shape (runs, criteria)
        Regrets, such as :attr:`measures.hindsight.Regrets.val`. NaN is never within x.
    criteria : list of str
        Names of the columns.
    within : array_like
        The values of x, as shares: 0.01 is one percent.

    Returns
    -------
    DataFrame

    Notes
    -----
    Source: after E. Dolan and J. Moré, Mathematical Programming 91 (2002) 201-213,
    doi:10.1007/s101070100263.

    Examples
    --------

    >>> table = regret_profile(np.array([[0.0, 0.02], [0.05, 0.0]]), ["a", "b"], [0, 0.03])
    >>> table.loc[0.03].tolist()
    [0.5, 1.0]
    """
    limits = np.asarray(within, np.float64)
    shares = {
        name: (column[:, None] <= limits).mean(axis=0)
        for name, column in zip(criteria, values.T, strict=True)
    }
    return pd.DataFrame(shares, index=pd.Index(limits, name="within"))


def time_profile(
    values: FloatArray,
    time: FloatArray,
    criteria: list[str],
    times: ArrayLike,
    within: float = 0.01,
) -> pd.DataFrame:
    """Share of runs that stopped by a time with a regret of at most ``within``: one row per time.

    A column rises to the criterion's share in :func:`regret_profile`.

    Parameters
    ----------
    values : ndarray, shape (runs, criteria)
        Regrets.
    time : ndarray, shape (runs, criteria)
        Times of the stops, such as :attr:`measures.hindsight.Regrets.time` or stop epochs.
    criteria : list of str
        Names of the columns.
    times : array_like
        Times of the rows, in the unit of ``time``.
    within : float
        Limit of the regret.

    Returns
    -------
    DataFrame

    Notes
    -----
    Source: after J. Moré and S. Wild, SIAM Journal on Optimization 20 (2009) 172-191,
    doi:10.1137/080724083.

    Examples
    --------

    >>> values, time = np.array([[0.0], [0.2]]), np.array([[0.5], [0.1]])
    >>> time_profile(values, time, ["a"], [0.1, 0.5])["a"].tolist()
    [0.0, 0.5]
    """
    table = regret_profile(ended_well(values, time, within), criteria, times)
    return table.rename_axis("time")


def ended_well(values: FloatArray, time: FloatArray, within: float = 0.01) -> FloatArray:
    """The time of a stop with a regret of at most ``within``, infinite for any other.

    >>> ended_well(np.array([[0.0], [0.2]]), np.array([[0.5], [0.1]])).tolist()
    [[0.5], [inf]]
    """
    return np.where(values <= within, time, np.inf)


def profile_bands(
    values: FloatArray, clusters: pd.Index, criteria: list[str], within: ArrayLike
) -> dict[str, pd.DataFrame]:
    """95% bands of the columns of :func:`regret_profile`, each for its whole line.

    For those of :func:`time_profile`, pass :func:`ended_well` and its times.

    Parameters
    ----------
    values : ndarray, shape (runs, criteria)
    clusters : Index
        What each run is a sample of; see :func:`measures.over_runs.intervals_over_runs`.
    criteria : list of str
    within : array_like

    Returns
    -------
    dict of str to DataFrame
        For each criterion, ``low`` and ``high`` at each x, in ascending order of x; NaN with fewer
        than 6 clusters, and where nothing is known.

    Examples
    --------
    >>> values = np.linspace(0, 1, 8)[:, None]
    >>> bands = profile_bands(values, pd.Index(list("abcdefgh")), ["a"], [0.5, 1.0])
    >>> bands["a"].round(2).to_numpy().tolist()
    [[nan, nan], [1.0, 1.0]]
    """
    limits = np.asarray(within, np.float64)
    bands = {}
    for name, column in zip(criteria, values.T, strict=True):
        reached = pd.DataFrame((column[:, None] <= limits).astype(float), columns=limits)
        found = intervals_over_runs(reached, clusters, simultaneous=True)
        low, high = found["low"].clip(0, 1), found["high"].clip(0, 1)
        # a share can only rise with x, so that an end holds for all x beyond it, too
        low, high = low.cummax(), high[::-1].cummin()[::-1]
        bands[name] = pd.DataFrame({"low": low, "high": high}).mask((low <= 0) & (high >= 1))
    return bands
