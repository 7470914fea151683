"""Rules of AutoML and hyperparameter-search libraries, which look at a window of the last errors.

The length of the window is a parameter of the statistic. The statistic is therefore 1 where the
rule holds, 0 where it does not, and NaN until the window is full, when the library cannot stop.
Parameter names and defaults are those of each library. Rules defined for scores see score = -error.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import rolling
from earlystop_lab.curves import FloatArray

__all__ = ["H2O", "OptunaPatient", "RayPlateau"]


@criterion(at_least={"patience": 0, "min_delta": 0})
def OptunaPatient(val: FloatArray, *, patience: int, min_delta: float = 0.0) -> FloatArray:
    """``optuna.pruners.PatientPruner(None, ...)``: patience + 1 reports worse than all before.

    Holds if each of the last patience + 1 errors exceeds the lowest error before them by more
    than ``min_delta``. NaN values are ignored, but occupy a place in the window. A plateau never
    stops training. The library restores nothing.

    Parameters
    ----------
    patience : int
        One less than the number of reports that must all be worse.
    min_delta : float
        Tolerance: by how much the error may get worse, in units of the error, at least 0.

    Notes
    -----
    Statistic: lowest before + min_delta < lowest of the last patience + 1

    Source: optuna 5.0.0, ``optuna/pruners/_patient.py``.

    Verified: optuna 5.0.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, OptunaPatient, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 1.0, 1.0, 1.5, 1.5]}])
    >>> replay(curves, [OptunaPatient(1)]).to_frame()["stop"][0]
    np.int64(5)
    """
    holds = np.full(len(val), np.nan)
    length = patience + 1
    if len(val) > length:
        before = np.fmin.accumulate(val)[:-length]
        lowest = np.fmin.reduce(sliding_window_view(val, length), axis=1)[1:]
        holds[length:] = before + min_delta < lowest
    return holds


@criterion(
    threshold="std",
    default=0.01,
    passes="<",
    recorded=("metric_threshold",),
    at_least={"std": 0, "num_results": 1, "grace_period": 0},
)
def RayPlateau(
    val: FloatArray,
    *,
    num_results: int = 4,
    grace_period: int = 4,
    metric_threshold: float | None = None,
) -> FloatArray:
    """``ray.tune.stopper.TrialPlateauStopper``: the last ``num_results`` errors hardly vary.

    Holds if their population standard deviation is strictly below ``std``. The library restores
    nothing.

    Parameters
    ----------
    std : float
        Threshold of the standard deviation, in units of the error, at least 0.
    num_results : int
        Number of results in the window, at least 1.
    grace_period : int
        The rule cannot hold before this many results, at least 0.
    metric_threshold : float, optional
        The rule holds only if the error is not worse than this value of the metric, given on the
        scale on which the metric was recorded.

    Notes
    -----
    Statistic: standard deviation of the last num_results errors

    Source: ray 2.60.0, ``ray/tune/stopper/trial_plateau.py``.

    Verified: ray 2.60.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, RayPlateau, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [RayPlateau(), RayPlateau(num_results=3)]).to_frame()["stop"].tolist()
    [6, 5]
    """
    spread = rolling(np.std, val, num_results)
    spread[: max(grace_period - 1, 0)] = np.nan
    if metric_threshold is not None:
        spread[val > metric_threshold] = np.nan
    return spread


@criterion(at_least={"tol": 0}, off=("k",))
def H2O(val: FloatArray, *, k: int, tol: float = 1e-3) -> FloatArray:
    """H2O's ``stopping_rounds``: moving averages improve by less than a fraction ``tol``.

    Takes the k + 1 newest moving averages over k scoring events each; MA_0 is the oldest. Holds if
    the lowest of the others is at least (1 - tol) MA_0. The first scoring event is ignored, so
    2k + 1 are needed. The rule never holds if an average is NaN or the averages change sign, and
    always holds if MA_0 is 0 (for metrics that cannot be negative). Negative averages that
    improve have a ratio above 1, so the rule stops. The library restores nothing, and is off by
    default (``stopping_rounds=0``).

    Parameters
    ----------
    k : int
        Number of scoring events per average, and of averages compared with the oldest one,
        at least 1.
    tol : float
        Relative improvement below which training stops, at least 0.

    Notes
    -----
    Statistic: lowest of MA_1 .. MA_k over MA_0 >= 1 - tol

    Source: H2O-3, ``hex/ScoreKeeper.java``, ``stopEarly``.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import H2O, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [9.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [H2O(2), H2O(2, tol=0.4)]).to_frame()["stop"].tolist()
    [6, 5]
    """
    holds = np.full(len(val), np.nan)
    if len(val) <= 2 * k:
        return holds
    averages = np.full(len(val), np.nan)
    averages[k - 1 :] = _sums(val, k) / k
    windows = sliding_window_view(averages, k + 1)[k:]
    oldest, lowest, highest = windows[:, 0], windows[:, 1:].min(axis=1), windows.max(axis=1)
    signs = np.sign([oldest, windows.min(axis=1), highest])
    one_sign = (signs == signs[0]).all(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = lowest / oldest
    at_zero = (oldest == 0) & ~np.isnan(highest)
    holds[2 * k :] = at_zero | (one_sign & (ratio >= 1 - tol))
    return holds


def _sums(val: FloatArray, k: int) -> FloatArray:
    """Sums of k errors each, added from oldest to newest as the library does."""
    total = np.zeros(len(val) - k + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(k):
            total = total + val[j : len(val) - k + 1 + j]
    return total
