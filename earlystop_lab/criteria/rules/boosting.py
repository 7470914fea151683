"""Rules of boosting libraries. CatBoost's statistic is the p-value of a rise above the best."""

import math

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    COUNTED,
    DIFFERENCE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
)
from earlystop_lab.curves import FloatArray

__all__ = ["CatBoostIncToDec", "CatBoostIter", "LightGBM", "XGBoost"]

_FORGETS, _REMEMBERS, _TINY = 0.99, 2000, 1e-10


@patience_rule(
    threshold="rounds",
    restores=kept_epoch,
    at_least={"rounds": 0, "min_delta": 0},
)
def XGBoost(*, min_delta: float = 0.0) -> Patience:
    """``xgboost.callback.EarlyStopping``: ``rounds`` rounds without improvement.

    A value improves if val < best - min_delta; the first value always does. If the first value is
    NaN, no later value improves on it. With ``restore="own"``, the library's ``best_iteration``
    is selected, to which ``save_best=True`` truncates the model.

    Parameters
    ----------
    rounds : int
        Number of rounds without improvement, at least 0; 0 stops at the first round.
    min_delta : float
        Smallest gain that counts as an improvement, in units of the error, at least 0.

    Notes
    -----
    Statistic: rounds since val < best - min_delta

    Source: xgboost 3.2.0, ``xgboost/callback.py``.

    Verified: xgboost 3.2.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, XGBoost, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.0, 2.0, 1.0]}])
    >>> replay(curves, [XGBoost(2)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     4         2
    """
    return patience_state(Knobs(DIFFERENCE, first=True, at_gain=COUNTED), delta=min_delta)


@patience_rule(
    threshold="stopping_rounds",
    restores=kept_epoch,
    at_least={"min_delta": 0},
    off=("stopping_rounds",),
)
def LightGBM(*, min_delta: float = 0.0) -> Patience:
    """``lightgbm.early_stopping``: ``stopping_rounds`` iterations without improvement.

    The test is that of :data:`XGBoost`. With ``restore="own"``, the library's best iteration is
    selected, to which the model is truncated.

    Parameters
    ----------
    stopping_rounds : int
        Number of iterations without improvement, above 0; 0, which switches the library's
        rule off, is an error.
    min_delta : float
        Smallest gain that counts as an improvement, in units of the error, at least 0.

    Notes
    -----
    Statistic: iterations since val < best - min_delta

    Source: LightGBM 4.7.0, ``lightgbm/callback.py``.

    Verified: lightgbm 4.7.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, LightGBM, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.5, 1.75, 1.4]}])
    >>> replay(curves, [LightGBM(2, min_delta=1)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     5         3
    """
    return patience_state(Knobs(DIFFERENCE, first=True), delta=min_delta)


def _detector(val: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The p-value at every check, and the number of checks since the best.

    The formula is that of :data:`CatBoostIncToDec`; the p-value at a NaN is NaN.
    """
    score = -val
    rise = np.zeros(len(score))
    with np.errstate(invalid="ignore", over="ignore"):
        for j in range(1, min(_REMEMBERS, len(score))):
            rise[j:] = np.fmax(rise[j:], _FORGETS**j * (score[j:] - score[:-j]))
    p, since = np.full(len(score), np.nan), np.zeros(len(score))
    best, increase, bad = -math.inf, 0.0, 0
    for i, (e, r) in enumerate(zip(score.tolist(), rise.tolist(), strict=True)):
        best, bad = (e, 0) if e > best else (best, bad + 1)
        increase = max(_FORGETS * increase, r)
        since[i] = bad
        if not math.isnan(e):
            fall = max(best - e, _TINY) if math.isfinite(best) else _TINY
            p[i] = math.exp(-0.5 / max(increase / fall, _TINY)) if increase < math.inf else 1.0
    return p, since


@criterion(threshold="od_wait", default=20, passes=">=", whole=True, at_least={"od_wait": 1})
def CatBoostIter(val: FloatArray) -> FloatArray:
    """CatBoost's ``od_type="Iter"`` (``early_stopping_rounds``): ``od_wait`` without a new best.

    CatBoost also requires a p-value below 1, that of :data:`CatBoostIncToDec`. After a large fall
    of the error, the p-value rounds to 1 on a plateau, so training never stops there. A NaN, which
    the library does not accept, counts as an iteration but cannot itself stop training. With
    ``restore="own"``, the first of the lowest errors is selected, to which ``use_best_model``
    truncates the model.

    Parameters
    ----------
    od_wait : int
        Number of iterations without a new lowest error, at least 1.

    Notes
    -----
    Statistic: iterations since val < best, where p < 1

    Source: CatBoost 1.2.10, ``catboost/libs/overfitting_detector``.

    Verified: catboost 1.2.10

    Examples
    --------
    >>> from earlystop_lab import CatBoostIter, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [1e4, 1.0, 1.0, 1.0]}, {"val": [1e7, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [CatBoostIter(2)]).to_frame()["fired"].tolist()
    [True, False]
    """
    p, since = _detector(val)
    return np.where(p < 1, since, np.nan)


@criterion(
    threshold="od_pval",
    passes="<",
    off=("od_pval",),
    at_most={"od_pval": 1},
    at_least={"od_wait": 1},
)
def CatBoostIncToDec(val: FloatArray, *, od_wait: int = 20) -> FloatArray:
    """CatBoost's ``od_type="IncToDec"``: the rise above the best is too large to be made good.

    From ``od_wait`` iterations after the best on, training stops if p < ``od_pval``. With
    e = -val, m the best e so far, and inc(i) =
    max(0.99 inc(i - 1), max over j < 2000 of 0.99^j (e(i) - e(i - j))),
    p = exp(-0.5 / max(inc / max(m - e, 1e-10), 1e-10)). The library's rule is off by default
    (``od_pval=0``). A NaN, which the library does not accept, counts as an iteration but cannot
    itself stop training. With ``restore="own"``, the first of the lowest errors is selected, to
    which ``use_best_model`` truncates the model.

    Parameters
    ----------
    od_pval : float
        Threshold of the p-value, in (0, 1]; the library recommends 1e-10 to 1e-2.
    od_wait : int
        Number of iterations after the best before training may stop, at least 1.

    Notes
    -----
    Statistic: p-value of the rise above the best, od_wait iterations after it

    Source: CatBoost 1.2.10, ``catboost/libs/overfitting_detector``.

    Verified: catboost 1.2.10

    Examples
    --------
    >>> from earlystop_lab import CatBoostIncToDec, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 1.0, 1.1, 1.5, 3.0]}])
    >>> replay(curves, [CatBoostIncToDec(0.9, od_wait=1)]).to_frame()["stop"][0]
    np.int64(4)
    """
    p, since = _detector(val)
    return np.where(since >= od_wait, p, np.nan)
