"""Rules of AutoML and hyperparameter-search libraries, which look at a window of the last errors.

The length of the window is a parameter of the statistic. The statistic is therefore 1 where the
rule holds, 0 where it does not, and NaN until the window is full, when the library cannot stop.
Parameter names and defaults are those of each library. Rules defined for scores see score = -error.
"""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Highest,
    Rolling,
    Window,
    deviation,
    full,
    highest,
    mean,
    new_window,
    oldest,
    raised,
    rolled,
    rolling,
    shifted,
    top,
    total,
    truth,
    values,
)
from earlystop_lab.curves import FloatArray

__all__ = ["H2O", "OptunaPatient", "RayPlateau"]


class Reports(NamedTuple):
    """State of Optuna's rule: tolerance, lowest before the window, the window, its lowest."""

    min_delta: float
    before: float
    last: Window
    #: of the negated errors
    lowest: Highest


def reports_step(s: Reports, epoch: float, val: float) -> tuple[Reports, float]:
    """1 where every error of the window is above the lowest before it; NaN until it is full."""
    before, holds = s.before, math.nan
    lowest = raised(s.lowest, -val)
    if full(s.last):
        leaving = oldest(s.last)
        before = before if leaving >= before or math.isnan(leaving) else leaving
        holds = truth(before + s.min_delta < -top(lowest))
    return Reports(s.min_delta, before, shifted(s.last, val), lowest), holds


@criterion(step=reports_step, at_least={"patience": 0, "min_delta": 0})
def OptunaPatient(*, patience: int, min_delta: float = 0.0) -> Reports:
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
    length = patience + 1
    return Reports(float(min_delta), math.nan, new_window(length), highest(length))


class Spread(NamedTuple):
    """State of Ray's rule: where it begins, the worst error at which it may stop, the window."""

    grace_period: int
    worst: float
    last: Window
    #: for intermediate results
    room: FloatArray


def spread_step(s: Spread, epoch: float, val: float) -> tuple[Spread, float]:
    """Standard deviation of the window; NaN where it cannot stop."""
    last = shifted(s.last, val)
    asked = full(last) and last.seen >= s.grace_period and not val > s.worst
    std = deviation(values(last), mean(values(last)), s.room) if asked else math.nan
    return Spread(s.grace_period, s.worst, last, s.room), std


@criterion(
    threshold="std",
    default=0.01,
    passes="<",
    step=spread_step,
    recorded=("metric_threshold",),
    at_least={"std": 0, "num_results": 1, "grace_period": 0},
)
def RayPlateau(
    *, num_results: int = 4, grace_period: int = 4, metric_threshold: float | None = None
) -> Spread:
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
    worst = math.inf if metric_threshold is None else float(metric_threshold)
    return Spread(grace_period, worst, new_window(num_results), np.empty(num_results))


class Averages(NamedTuple):
    """State of H2O's rule: the newest k events, and the k + 1 newest of their averages."""

    tol: float
    begun: bool
    events: Rolling
    last: Window
    #: of the last k + 1 averages
    highest: Highest
    #: of the last k, negated
    lowest: Highest
    #: averages since one was NaN
    whole: int


def averages_step(s: Averages, epoch: float, val: float) -> tuple[Averages, float]:
    """1 where the averages hardly improve; NaN until there are k + 1, the first event aside."""
    # the first event is ignored
    events = rolled(s.events, val, s.begun)
    new = s.begun and full(events.last)
    average = total(events) / events.last.length if new else math.nan
    whole = s.whole
    if new:
        whole = 0 if math.isnan(average) else whole + 1
    last = shifted(s.last, average, new)
    most, least = raised(s.highest, average, new), raised(s.lowest, -average, new)
    holds = math.nan
    if full(last):
        first, lowest, highest = oldest(last), -top(least), top(most)
        one_sign = lowest > 0 if first > 0 else highest < 0
        better = first == 0 or (one_sign and lowest / first >= 1 - s.tol)
        holds = truth(whole >= last.length and better)
    return Averages(s.tol, True, events, last, most, least, whole), holds


@criterion(step=averages_step, at_least={"tol": 0}, off=("k",))
def H2O(*, k: int, tol: float = 1e-3) -> Averages:
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

    Verified: h2o 3.46.0.12

    Examples
    --------
    >>> from earlystop_lab import H2O, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [9.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [H2O(2), H2O(2, tol=0.4)]).to_frame()["stop"].tolist()
    [6, 5]
    """
    none = rolling(k), new_window(k + 1), highest(k + 1), highest(k)
    return Averages(float(tol), False, *none, 0)
