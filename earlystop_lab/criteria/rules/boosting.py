"""Rules of boosting libraries. CatBoost's statistic is the p-value of a rise above the best."""

import math
from typing import NamedTuple

import numpy as np

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
    COUNTED,
    DIFFERENCE,
    LOWER,
    NOT_WORSE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
    patience_step,
)
from earlystop_lab.curves import FloatArray

__all__ = ["EBM", "YDF", "CatBoostIncToDec", "CatBoostIter", "LightGBM", "NGBoost", "XGBoost"]

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


class Trees(NamedTuple):
    """State of YDF's rule: trees an iteration, iterations so far and before it, the patience."""

    trees: float
    seen: int
    initial: int
    rule: Patience


def trees_step(s: Trees, epoch: float, val: float) -> tuple[Trees, float]:
    """Trees since the best loss; NaN before the first candidate."""
    if s.seen < s.initial:
        return Trees(s.trees, s.seen + 1, s.initial, s.rule), math.nan
    rule, bad = patience_step(s.rule, epoch, val)
    return Trees(s.trees, s.seen + 1, s.initial, rule), bad * s.trees


def trees_epoch(s: Trees) -> float:
    """The iteration of the best loss; NaN if there was no candidate."""
    return s.rule.kept


@criterion(
    threshold="look_ahead",
    default=30,
    passes=">=",
    whole=True,
    step=trees_step,
    restores=trees_epoch,
    at_least={"look_ahead": 1, "classes": 1, "initial": 0},
)
def YDF(*, classes: int = 2, initial: int = 10) -> Trees:
    """YDF's ``early_stopping="LOSS_INCREASE"``: patience counted in trees.

    Every iteration adds one tree, or one a class if there are more than two, so the default
    look-ahead of 30 trees is 30 iterations of a binary or regression problem, 10 of one with 3
    classes, and 3 of one with 10. A value improves if val < best; the first candidate always does,
    and if it is NaN nothing improves on it. The first ``initial`` iterations are no candidates,
    however low their loss. With ``restore="own"``, the best candidate is selected, to which the
    model is truncated. (The library compares in float32.)

    Parameters
    ----------
    look_ahead : int
        ``early_stopping_num_trees_look_ahead``: trees without improvement, at least 1.
    classes : int
        Number of classes; 1 or 2 for one tree an iteration.
    initial : int
        ``early_stopping_initial_iteration``: iterations that are not looked at, at least 0.

    Notes
    -----
    Statistic: trees since val < best

    Source: ydf 0.16.1, ``learner/gradient_boosted_trees/early_stopping/early_stopping.cc``.

    Verified: ydf 0.16.1, with one tree an iteration, on finite values

    Examples
    --------
    >>> from earlystop_lab import YDF, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 2.0, 3.0, 3.0, 3.0, 3.0]}])
    >>> rules = [YDF(3, initial=1), YDF(3, classes=3, initial=1)]
    >>> replay(curves, rules, restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     5         2
    1     3         2
    """
    trees = float(classes) if classes > 2 else 1.0
    return Trees(trees, 0, initial, patience_state(Knobs(DIFFERENCE, first=True)))


@patience_rule(threshold="early_stopping_rounds", at_least={"early_stopping_rounds": 1})
def NGBoost() -> Patience:
    """NGBoost's ``early_stopping_rounds``: that many losses in a row above the best.

    Each of the last ``early_stopping_rounds`` losses has to be strictly above the lowest so far: a
    tie with it or a NaN begins the count anew, so that a plateau at the best never stops training.
    The library keeps all stages.

    Parameters
    ----------
    early_stopping_rounds : int
        Number of losses above the best, at least 1.

    Notes
    -----
    Statistic: losses in a row with val > best

    Source: ngboost 0.6.0, ``ngboost/ngboost.py``.

    Verified: ngboost 0.6.0, on finite values

    Examples
    --------
    >>> from earlystop_lab import CurveSet, NGBoost, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 1.0, 1.0, 1.1, 1.0, 1.1, 1.2]}])
    >>> replay(curves, [NGBoost(2)]).to_frame()["stop"][0]
    np.int64(7)
    """
    return patience_state(Knobs(NOT_WORSE, moves=LOWER))


class Steps(NamedTuple):
    """State of EBM's rule: tolerance, lowest so far and before the window, the window."""

    tol: float
    least: float
    before: float
    last: Window
    #: of the negated window
    lowest: Highest
    #: steps since a NaN
    whole: int


def least(a: float, b: float) -> float:
    """The lower, as Python's ``min``: the first unless the second is below it."""
    return b if b < a else a


def steps_step(s: Steps, epoch: float, val: float) -> tuple[Steps, float]:
    """1 where the window is hardly below what was before it."""
    room = least(abs(s.least), abs(s.before)) * s.tol
    room = room if math.isfinite(room) else 0.0
    before = least(oldest(s.last), s.before) if full(s.last) else s.before
    whole = 0 if math.isnan(val) else s.whole + 1
    last, lowest = shifted(s.last, val), raised(s.lowest, -val)
    known = whole >= min(last.seen, last.length)
    holds = truth(known and before - room <= -top(lowest))
    return Steps(s.tol, least(val, s.least), before, last, lowest, whole), holds


@criterion(step=steps_step, at_least={"early_stopping_rounds": 1, "terms": 1})
def EBM(*, early_stopping_rounds: int = 100, tol: float = 1e-5, terms: int = 1) -> Steps:
    """interpret's boosting machines: a window of rounds times terms, with a relative tolerance.

    Every step boosts one term, and a round is a step of every term. Holds where the lowest error
    before the last ``early_stopping_rounds * terms`` steps, less a tolerance, is at most the
    lowest of those steps. The tolerance is ``tol`` times the smaller size of the lowest error
    before the window and of the lowest before this step; 0 where that is not finite. A NaN in the
    window keeps the rule from holding. The rule is looked at every step, so that it may hold within
    a round; before it, the library's smoothing rounds are not looked at. The library keeps the best
    step.

    Parameters
    ----------
    early_stopping_rounds : int
        Number of rounds in the window, at least 1.
    tol : float
        ``early_stopping_tolerance``: gain that is needed, relative to the error; if negative,
        training goes on while the error rises by less than that.
    terms : int
        Number of terms that are boosted in a round; 1 if the curve has one value a round.

    Notes
    -----
    Statistic: lowest before the window - tolerance <= lowest in it

    Source: interpret-core 0.7.8, ``interpret/glassbox/_ebm/_boost.py``.

    Verified: interpret-core 0.7.8

    Examples
    --------
    >>> from earlystop_lab import EBM, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 3.0, 2.99, 2.98, 2.97]}])
    >>> replay(curves, [EBM(2, tol=0.1), EBM(2)]).to_frame()["fired"].tolist()
    [True, False]
    """
    length = early_stopping_rounds * terms
    windows = new_window(length), highest(length)
    return Steps(float(tol), math.inf, math.inf, *windows, 0)


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
