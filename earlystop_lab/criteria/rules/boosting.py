"""Rules of boosting libraries. CatBoost's statistic is the p-value of a rise above the best."""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import Window, new_window, shifted
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
_BLOCK = 32
#: of which there may be so many, the first and the last one incomplete
_BLOCKS = _REMEMBERS // _BLOCK + 2
#: how much of a rise is left after so many iterations
_LEFT = np.array([_FORGETS**j for j in range(_REMEMBERS)])


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


class Detector(NamedTuple):
    """State of CatBoost's detector: best score, iterations since, expected rise, last scores."""

    best: float
    since: int
    increase: float
    #: those before this one
    scores: Window
    #: the lowest of every block of them, in a ring, and the lowest of all, NaN aside
    lows: FloatArray
    lowest: float


def detected(s: Detector, val: float) -> tuple[Detector, float]:
    """The detector after one more error, and the p-value of :data:`CatBoostIncToDec`; NaN of NaN.

    What is left of a rise shrinks with the iterations that it took, so a look at the lowest score
    tells of most blocks of iterations that no rise from them is the largest.
    """
    score, now, ring = -val, s.scores.seen, s.scores.ring
    lows = s.lows
    rise = s.increase * _FORGETS
    oldest, check = max(0, now - _REMEMBERS + 1), now - 1
    while check >= oldest and float(_LEFT[now - check]) * (score - s.lowest) > rise:
        block = check // _BLOCK
        begin = max(oldest, block * _BLOCK)
        if float(_LEFT[now - check]) * (score - float(lows[block % _BLOCKS])) > rise:
            for i in range(check, begin - 1, -1):
                gained = float(_LEFT[now - i]) * (score - float(ring[i % _REMEMBERS]))
                rise = gained if gained > rise else rise
        check = begin - 1
    best, bad = (score, 0) if score > s.best else (s.best, s.since + 1)
    p = math.nan
    if not math.isnan(score):
        fall = max(best - score, _TINY) if math.isfinite(best) else _TINY
        p = math.exp(-0.5 / max(rise / fall, _TINY)) if rise < math.inf else 1.0
    at = now // _BLOCK % _BLOCKS
    lows[at] = lower(score, math.nan if now % _BLOCK == 0 else float(lows[at]))
    lowest = lower(score, s.lowest)
    return Detector(best, bad, rise, shifted(s.scores, score), lows, lowest), p


def lower(a: float, b: float) -> float:
    """The lower of two, NaN aside."""
    return b if math.isnan(a) or b < a else a


def _unmoved() -> Detector:
    lows = np.empty(_BLOCKS)
    return Detector(-math.inf, 0, 0.0, new_window(_REMEMBERS), lows, math.nan)


def waited_step(s: Detector, epoch: float, val: float) -> tuple[Detector, float]:
    """Iterations since the best, where the p-value is below 1."""
    after, p = detected(s, val)
    return after, float(after.since) if p < 1 else math.nan


def fallen_step(
    s: tuple[int, Detector], epoch: float, val: float
) -> tuple[tuple[int, Detector], float]:
    """The p-value, from so many iterations after the best on."""
    after, p = detected(s[1], val)
    return (s[0], after), p if after.since >= s[0] else math.nan


@criterion(
    threshold="od_wait",
    default=20,
    passes=">=",
    whole=True,
    step=waited_step,
    at_least={"od_wait": 1},
)
def CatBoostIter() -> Detector:
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
    return _unmoved()


@criterion(
    threshold="od_pval",
    passes="<",
    step=fallen_step,
    off=("od_pval",),
    at_most={"od_pval": 1},
    at_least={"od_wait": 1},
)
def CatBoostIncToDec(*, od_wait: int = 20) -> tuple[int, Detector]:
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
    return od_wait, _unmoved()
