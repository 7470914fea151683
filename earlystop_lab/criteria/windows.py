"""Rules of other libraries that look at a window of the last errors.

The window's length is a parameter of the statistic, so the statistic is 1 where the rule holds
and 0 where it does not, NaN where the window is not yet full and the library cannot stop.
Parameter names and defaults are each library's own; rules defined for scores see score = -error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.criteria.core import criterion
from earlystop_lab.curves import FloatArray

__all__ = ["H2O", "OptunaPatient", "PyBrain", "RayPlateau", "SklearnGB", "SklearnHGB"]


def rolling(
    statistic: Callable[..., FloatArray], val: FloatArray, window: int, **options: Any
) -> FloatArray:
    """A statistic of the last ``window`` errors at every check; NaN where there are fewer.

    An infinite error makes it NaN, not a warning.
    """
    result = np.full(len(val), np.nan)
    if len(val) >= window:
        with np.errstate(over="ignore", invalid="ignore"):
            result[window - 1 :] = statistic(sliding_window_view(val, window), axis=1, **options)
    return result


@criterion(at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnHGB(val: FloatArray, *, n_iter_no_change: int = 10, tol: float = 1e-7) -> FloatArray:
    """``sklearn.ensemble.HistGradientBoosting*``: no gain on the score n iterations ago.

    Holds where none of the last n scores is above the score before them by more than ``tol``:
    the reference is that score, not the best. The library's first score is taken before the
    first tree. A NaN there makes it hold. Nothing is restored.

    Statistic: no one of the last n scores > the score before them + tol

    Source: scikit-learn 1.9.1, ``ensemble/_hist_gradient_boosting/gradient_boosting.py``.

    Verified: scikit-learn 1.9.1

    >>> from earlystop_lab import CurveSet, SklearnHGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnHGB(2)]).to_frame()["stop"][0]
    np.int64(3)
    """
    holds = np.full(len(val), np.nan)
    if len(val) > n_iter_no_change:
        windows = sliding_window_view(-val, n_iter_no_change + 1)
        gains = windows[:, 1:] > windows[:, :1] + tol
        holds[n_iter_no_change:] = ~gains.any(axis=1)
    return holds


@criterion(at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnGB(val: FloatArray, *, n_iter_no_change: int, tol: float = 1e-4) -> FloatArray:
    """``sklearn.ensemble.GradientBoosting*``: no better than the *worst* of the last n losses.

    Holds where val + tol >= the largest of the n errors before it, of which missing ones count
    as infinite, and at any NaN. The library is off by default (``n_iter_no_change=None``).
    Nothing is restored.

    Statistic: val + tol >= the largest of the last n

    Source: scikit-learn 1.9.1, ``sklearn/ensemble/_gb.py``.

    Verified: scikit-learn 1.9.1

    >>> from earlystop_lab import CurveSet, SklearnGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnGB(2)]).to_frame()["stop"][0]
    np.int64(5)
    """
    before = np.concatenate([np.full(n_iter_no_change, np.inf), val[:-1]])
    worst = sliding_window_view(before, n_iter_no_change).max(axis=1)
    holds: FloatArray = ((val + tol >= worst) | np.isnan(val)).astype(np.float64)
    return holds


@criterion(at_least={"patience": 0, "min_delta": 0})
def OptunaPatient(val: FloatArray, *, patience: int, min_delta: float = 0.0) -> FloatArray:
    """``optuna.pruners.PatientPruner(None, ...)``: patience + 1 reports worse than all before.

    Holds where every one of the last patience + 1 errors is above the lowest error before them
    by more than ``min_delta``, which adds tolerance for getting worse: a plateau never stops.
    NaN are passed over, but fill a place in the window. Nothing is restored.

    Statistic: lowest before + min_delta < lowest of the last patience + 1

    Source: optuna 5.0.0, ``optuna/pruners/_patient.py``.

    Verified: optuna 5.0.0

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

    Their population standard deviation, in units of the error, is strictly below ``std``, from
    the ``grace_period``-th result on and, with ``metric_threshold`` (mode "min"), only where the
    error is not above it. Nothing is restored.

    Statistic: standard deviation of the last num_results errors

    Source: ray 2.60.0, ``ray/tune/stopper/trial_plateau.py``.

    Verified: ray 2.60.0

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
    """H2O's ``stopping_rounds``: moving averages that improve by less than a share ``tol``.

    Of the k + 1 newest averages over k scoring events each, MA_0 is the oldest. Holds where the
    lowest of the others is at least (1 - tol) MA_0. The first scoring event is left out, so
    2k + 1 are needed. It never holds where an average is NaN or the averages change sign, and
    always where MA_0 is 0, as for metrics that cannot be negative. Nothing is restored. The
    library is off by default (``stopping_rounds=0``). Negative averages that improve have a ratio
    above 1 and stop.

    Statistic: lowest of MA_1 .. MA_k over MA_0 >= 1 - tol

    Source: H2O-3, ``hex/ScoreKeeper.java``, ``stopEarly``.

    Verified: worked by hand

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
    """Sums of k errors each, added from the oldest to the newest as the library does."""
    total = np.zeros(len(val) - k + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(k):
            total = total + val[j : len(val) - k + 1 + j]
    return total


def _after_training_began(
    val: FloatArray, epoch: FloatArray, *, continue_epochs: int
) -> FloatArray:
    """Epoch of the lowest error since training began, at first that of the first update."""
    kept, best, at = np.full(len(val), np.nan), np.nan, np.nan
    for i in range(1, len(val)):
        if i == 1 or val[i] < best:
            best, at = val[i], epoch[i]
        kept[i] = at
    return kept


@criterion(at_least={"continue_epochs": 1}, own=_after_training_began)
def PyBrain(val: FloatArray, *, continue_epochs: int = 10) -> FloatArray:
    """PyBrain's ``trainUntilConvergence``: the last c errors all above the c before them.

    Holds where min(last c) > max(the c before), with c = ``continue_epochs``. The first error is
    the one before training. Minimum and maximum are Python's, which a NaN in first place
    poisons. ``restore="own"``: the lowest error after the first update, which always counts.

    Statistic: lowest of the last c > highest of the c before

    Source: PyBrain3 3.0.4, ``pybrain/supervised/trainers/backprop.py``.

    Verified: PyBrain3 3.0.4

    >>> from earlystop_lab import CurveSet, PyBrain, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 2.5, 3.0, 3.0]}])
    >>> replay(curves, [PyBrain(2)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     4         2
    """
    holds = np.full(len(val), np.nan)
    c = continue_epochs
    if len(val) >= 2 * c:
        windows = sliding_window_view(val, c)
        lowest, highest = windows[:, 0], windows[:, 0]
        for column in windows.T[1:]:
            lowest = np.where(column < lowest, column, lowest)
            highest = np.where(column > highest, column, highest)
        holds[2 * c - 1 :] = lowest[c:] > highest[:-c]
    return holds
