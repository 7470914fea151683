"""Rules of other libraries that look at a window of the last errors.

The window's length is a parameter of the statistic, so the statistic is 1 where the rule holds
and 0 where it does not, NaN where the window is not yet full and the library cannot stop.
Parameter names and defaults are each library's own; rules defined for scores see score = -error.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.criteria.core import criterion
from earlystop_lab.curves import FloatArray


@criterion(at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnHGB(val: FloatArray, *, n_iter_no_change: int = 10, tol: float = 1e-7) -> FloatArray:
    """``sklearn.ensemble.HistGradientBoosting*``: no gain on the score n iterations ago.

    Holds where none of the last n scores is above the score before them by more than ``tol``:
    the reference is that score, not the best. The library's first score is taken before the
    first tree. A NaN there makes it hold. Nothing is restored.

    Source: scikit-learn 1.9.1, ``ensemble/_hist_gradient_boosting/gradient_boosting.py``.

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

    Source: scikit-learn 1.9.1, ``sklearn/ensemble/_gb.py``.

    >>> from earlystop_lab import CurveSet, SklearnGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnGB(2)]).to_frame()["stop"][0]
    np.int64(5)
    """
    before = np.concatenate([np.full(n_iter_no_change, np.inf), val[:-1]])
    worst = sliding_window_view(before, n_iter_no_change).max(axis=1)
    holds: FloatArray = ((val + tol >= worst) | np.isnan(val)).astype(np.float64)
    return holds


@criterion(at_least={"patience": 0})
def OptunaPatient(val: FloatArray, *, patience: int, min_delta: float = 0.0) -> FloatArray:
    """``optuna.pruners.PatientPruner(None, ...)``: patience + 1 reports worse than all before.

    Holds where every one of the last patience + 1 errors is above the lowest error before them
    by more than ``min_delta``, which adds tolerance for getting worse: a plateau never stops.
    NaN are passed over, but fill a place in the window. Nothing is restored.

    Source: optuna 5.0.0, ``optuna/pruners/_patient.py``.

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
