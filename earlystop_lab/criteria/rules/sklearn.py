"""Rules of scikit-learn: of its networks, its linear models and its two kinds of boosted trees.

The rules of boosted trees look at a window of the last scores. Their statistic is 1 where the
rule holds, 0 where it does not, and NaN until the window is full, when the library cannot stop.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    LOWER,
    NOT_WORSE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
)
from earlystop_lab.curves import FloatArray

__all__ = ["SklearnGB", "SklearnHGB", "SklearnMLP", "SklearnSGD"]


@patience_rule(
    threshold="n_iter_no_change",
    default=10,
    passes=">",
    restores=kept_epoch,
    at_least={"n_iter_no_change": 1, "tol": 0},
)
def SklearnMLP(*, tol: float = 1e-4) -> Patience:
    """``sklearn.neural_network.MLP*``: *more than* ``n_iter_no_change`` epochs without a gain.

    A check is bad if val > best - tol, so with ``tol=0`` a tie resets the count, and a NaN always
    resets it. The best value is updated on any gain, also below ``tol``. With ``restore="own"``,
    the first of the lowest errors is selected, as with ``early_stopping=True``. Without
    ``early_stopping`` (the default), the library applies the same test to the training loss and
    restores nothing.

    Parameters
    ----------
    n_iter_no_change : int
        Number of bad epochs that are tolerated.
    tol : float
        Smallest gain that resets the count, in units of the error, at least 0.

    Notes
    -----
    Statistic: epochs since not val > best - tol

    Source: scikit-learn 1.9.1, ``sklearn/neural_network/_multilayer_perceptron.py``.

    Verified: scikit-learn 1.9.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnMLP, SklearnSGD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 6}])
    >>> replay(curves, [SklearnMLP(2), SklearnSGD(2)]).to_frame()["stop"].tolist()
    [4, 3]
    """
    return patience_state(Knobs(NOT_WORSE, moves=LOWER), delta=tol)


@patience_rule(
    threshold="n_iter_no_change",
    default=5,
    at_least={"n_iter_no_change": 1, "tol": 0},
)
def SklearnSGD(*, tol: float = 1e-3) -> Patience:
    """``sklearn.linear_model.SGD*``: ``n_iter_no_change`` epochs without a gain.

    The test is that of :data:`SklearnMLP`, but stops one check earlier. The library restores
    nothing. It scores the coefficients before the shrinkage by the penalty is applied to them: on a
    curve of scores that are taken after each ``partial_fit`` it may stop elsewhere, unless
    ``penalty=None``.

    Parameters
    ----------
    n_iter_no_change : int
        Number of bad epochs, at least 1.
    tol : float
        Smallest gain that resets the count, in units of the error, at least 0.

    Notes
    -----
    Statistic: epochs since not val > best - tol

    Source: scikit-learn 1.9.1, ``sklearn/linear_model/_sgd_fast``.

    Verified: scikit-learn 1.9.1, on the scores that it takes itself

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnSGD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.9995, 0.999, 0.9985, 0.5]}])
    >>> replay(curves, [SklearnSGD(3)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return patience_state(Knobs(NOT_WORSE, moves=LOWER), delta=tol)


@criterion(at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnHGB(val: FloatArray, *, n_iter_no_change: int = 10, tol: float = 1e-7) -> FloatArray:
    """``sklearn.ensemble.HistGradientBoosting*``: no gain on the score n iterations ago.

    Holds if none of the last n scores is above the score before them by more than ``tol``: the
    reference is that score, not the best one. The library takes its first score before the first
    tree. A NaN in the window makes the rule hold. The library restores nothing.

    Parameters
    ----------
    n_iter_no_change : int
        Number n of last scores, at least 1.
    tol : float
        Smallest gain that counts, in units of the score, at least 0.

    Notes
    -----
    Statistic: no one of the last n scores > the score before them + tol

    Source: scikit-learn 1.9.1, ``ensemble/_hist_gradient_boosting/gradient_boosting.py``.

    Verified: scikit-learn 1.9.1

    Examples
    --------
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

    Holds if val + tol is at least the largest of the n previous errors, where missing ones count
    as infinite. Any NaN makes the rule hold. The library's rule is off by default
    (``n_iter_no_change=None``), and restores nothing. A fit that adds trees by ``warm_start=True``
    validates the first trees of the old model in place of the new ones.

    Parameters
    ----------
    n_iter_no_change : int
        Number n of previous errors, at least 1.
    tol : float
        Smallest gain that counts, in units of the error, at least 0.

    Notes
    -----
    Statistic: val + tol >= the largest of the last n

    Source: scikit-learn 1.9.1, ``sklearn/ensemble/_gb.py``.

    Verified: scikit-learn 1.9.1, of one fit without a warm start

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnGB(2)]).to_frame()["stop"][0]
    np.int64(5)
    """
    before = np.concatenate([np.full(n_iter_no_change, np.inf), val[:-1]])
    worst = sliding_window_view(before, n_iter_no_change).max(axis=1)
    return ((val + tol >= worst) | np.isnan(val)).astype(np.float64)
