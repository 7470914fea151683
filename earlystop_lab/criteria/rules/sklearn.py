"""Rules of scikit-learn: of its networks, its linear models and its two kinds of boosted trees.

The rules of boosted trees look at a window of the last scores. Their statistic is 1 where the
rule holds, 0 where it does not, and NaN until the window is full, when the library cannot stop.
"""

import math
from typing import NamedTuple

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Highest,
    Window,
    full,
    highest,
    new_window,
    oldest,
    raised,
    shifted,
    top,
    truth,
)
from earlystop_lab.criteria.rules.patience import (
    LOWER,
    NOT_WORSE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
)

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

    Verified: scikit-learn 1.9.1, on scores that it computes itself

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnSGD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.9995, 0.999, 0.9985, 0.5]}])
    >>> replay(curves, [SklearnSGD(3)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return patience_state(Knobs(NOT_WORSE, moves=LOWER), delta=tol)


class Scores(NamedTuple):
    """State of the rule of histogram boosting: tolerance, the last n + 1 scores, the highest."""

    tol: float
    last: Window
    #: of the last n
    highest: Highest


def scores_step(s: Scores, epoch: float, val: float) -> tuple[Scores, float]:
    """1 where none of the last n scores is above the one before them; NaN until there is one."""
    last, best = shifted(s.last, -val), raised(s.highest, -val)
    holds = truth(not top(best) > oldest(last) + s.tol) if full(last) else math.nan
    return Scores(s.tol, last, best), holds


@criterion(step=scores_step, at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnHGB(*, n_iter_no_change: int = 10, tol: float = 1e-7) -> Scores:
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
    Statistic: none of the last n scores > the score before them + tol

    Source: scikit-learn 1.9.1, ``ensemble/_hist_gradient_boosting/gradient_boosting.py``.

    Verified: scikit-learn 1.9.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnHGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnHGB(2)]).to_frame()["stop"][0]
    np.int64(3)
    """
    return Scores(float(tol), new_window(n_iter_no_change + 1), highest(n_iter_no_change))


class Losses(NamedTuple):
    """State of the rule of gradient boosting: tolerance, the largest loss, losses since a NaN."""

    tol: float
    #: of the last n
    highest: Highest
    whole: int


def losses_step(s: Losses, epoch: float, val: float) -> tuple[Losses, float]:
    """1 where the loss is no better than the worst of the n before it."""
    before = s.highest
    worst = top(before) if before.seen >= before.length else math.inf
    known = s.whole >= min(before.seen, before.length)
    whole = 0 if math.isnan(val) else s.whole + 1
    holds = math.isnan(val) or (known and val + s.tol >= worst)
    return Losses(s.tol, raised(before, val), whole), truth(holds)


@criterion(step=losses_step, at_least={"n_iter_no_change": 1, "tol": 0})
def SklearnGB(*, n_iter_no_change: int, tol: float = 1e-4) -> Losses:
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

    Verified: scikit-learn 1.9.1, for a single fit without warm start

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SklearnGB, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.5]}])
    >>> replay(curves, [SklearnGB(2)]).to_frame()["stop"][0]
    np.int64(5)
    """
    return Losses(float(tol), highest(n_iter_no_change), 0)
