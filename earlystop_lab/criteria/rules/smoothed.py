"""Rules on a smoothed validation curve: patience and generalisation loss after a filter.

Only the decision uses smoothed errors: ``restore="best"`` looks at the errors themselves.
"""

import math
from typing import NamedTuple

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    SUM,
    Knobs,
    Patience,
    patience_state,
    patience_step,
)
from earlystop_lab.criteria.rules.prechelt import loss_step

__all__ = ["EMA", "EMAGL", "Median", "MedianGL"]


class Average(NamedTuple):
    """State of an exponential moving average: its decay, whether it has started, its value."""

    decay: float
    begun: bool
    value: float


class Last(NamedTuple):
    """The newest errors, oldest first; NaN where there were fewer, infinity in place of a NaN."""

    values: tuple[float, ...]


def averaged(s: Average, val: float) -> Average:
    """decay value + (1 - decay) val; a NaN is ignored and the first error starts the average."""
    if math.isnan(val):
        return s
    if not s.begun or s.decay == 0:
        return Average(s.decay, True, val)
    return Average(s.decay, True, s.decay * s.value + (1 - s.decay) * val)


def shifted(s: Last, val: float) -> Last:
    """The newest errors after appending one."""
    newest = (math.inf if math.isnan(val) else val,)
    return Last(s.values[1:] + newest)


def ranked(values: tuple[float, ...], rank: int) -> float:
    """The value with that rank, counted from 0, among those that are not NaN."""
    for value in values:
        below = same = 0
        for other in values:
            below += other < value
            same += other == value
        if below <= rank < below + same:
            return value
    return math.nan


def median(values: tuple[float, ...]) -> float:
    """Median of the values that are not NaN."""
    count = 0
    for value in values:
        count += not math.isnan(value)
    return (ranked(values, (count - 1) // 2) + ranked(values, count // 2)) / 2


def average_patience_step(
    s: tuple[Average, Patience], epoch: float, val: float
) -> tuple[tuple[Average, Patience], float]:
    """Patience on the moving average; a check with a NaN error counts as bad."""
    average = averaged(s[0], val)
    patience, bad = patience_step(s[1], epoch, math.nan if math.isnan(val) else average.value)
    return (average, patience), bad


def median_patience_step(
    s: tuple[Last, Patience], epoch: float, val: float
) -> tuple[tuple[Last, Patience], float]:
    """Patience on the rolling median."""
    last = shifted(s[0], val)
    patience, bad = patience_step(s[1], epoch, median(last.values))
    return (last, patience), bad


def average_loss_step(
    s: tuple[Average, float], epoch: float, val: float
) -> tuple[tuple[Average, float], float]:
    """Generalisation loss of the moving average, in percent; NaN at a NaN error."""
    average = averaged(s[0], val)
    loss, percent = loss_step(s[1], epoch, math.nan if math.isnan(val) else average.value)
    return (average, loss), percent


def median_loss_step(
    s: tuple[Last, float], epoch: float, val: float
) -> tuple[tuple[Last, float], float]:
    """Generalisation loss of the rolling median, in percent."""
    last = shifted(s[0], val)
    loss, percent = loss_step(s[1], epoch, median(last.values))
    return (last, loss), percent


def _empty(window: int) -> Last:
    return Last((math.nan,) * window)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=average_patience_step,
    at_least={"patience": 0, "decay": 0},
    below={"decay": 1},
)
def EMA(*, decay: float = 0.6, min_delta: float = 0.0) -> tuple[Average, Patience]:
    """Patience on the exponential moving average of the validation error.

    S(t) = decay S(t - 1) + (1 - decay) E_va(t), starting with the first error. The average
    improves if S + min_delta is below its best, and a check at which it improves never stops
    training. A NaN error is left out of the average and is not an improvement. After an infinite
    error the average stays infinite (if decay > 0).

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 0.
    decay : float
        Weight of the previous average, in [0, 1); 0 means no smoothing.
    min_delta : float
        Smallest gain that counts as an improvement, in units of the error.

    Notes
    -----
    Statistic: checks since S + min_delta < best S, S the moving average of val

    Source: smoothed patience, asked for in Keras issue 18210; 0.6 is TensorBoard's smoothing.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import EMA, CurveSet, Keras, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 2.5, 2.1, 1.8, 1.9]}])
    >>> replay(curves, [EMA(2), Keras(2)]).to_frame()["fired"].tolist()
    [False, True]
    """
    return Average(float(decay), False, math.nan), patience_state(Knobs(SUM), delta=min_delta)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=median_patience_step,
    at_least={"patience": 0, "window": 1},
)
def Median(*, window: int = 5, min_delta: float = 0.0) -> tuple[Last, Patience]:
    """Patience on the median of the last ``window`` validation errors.

    While there are fewer errors, the median is that of all so far. It improves if S + min_delta
    is below its best, and a check at which it improves never stops training. A NaN error counts
    as infinite. The time taken grows with the square of ``window``.

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 0.
    window : int
        Number of errors in the median, at least 1.
    min_delta : float
        Smallest gain that counts as an improvement, in units of the error.

    Notes
    -----
    Statistic: checks since S + min_delta < best S, S the rolling median of val

    Source: smoothed patience, asked for in Keras issue 18210.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Keras, Median, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 3.0, 1.0, 3.0, 2.0, 2.0]}])
    >>> replay(curves, [Median(2, window=3), Keras(2)]).to_frame()["stop"].tolist()
    [6, 5]
    """
    return _empty(window), patience_state(Knobs(SUM), delta=min_delta)


@criterion(
    threshold="alpha",
    passes=">",
    step=average_loss_step,
    takes="ratio",
    unit="%",
    at_least={"alpha": 0, "decay": 0},
    below={"decay": 1},
)
def EMAGL(*, decay: float = 0.6) -> tuple[Average, float]:
    """Generalisation loss of the exponential moving average, at every check.

    Stops when 100 (S(t) / S_opt(t) - 1) > alpha, with S as in :data:`EMA` and S_opt its lowest
    value so far.

    Parameters
    ----------
    alpha : float
        Threshold of the loss in percent, at least 0.
    decay : float
        Weight of the previous average, in [0, 1); 0 means no smoothing.

    Notes
    -----
    Statistic: 100 (S / S_opt - 1), S the moving average of val

    Source: :data:`GL` on a smoothed curve.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import EMAGL, GL, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 2.5, 1.8]}])
    >>> replay(curves, [EMAGL(5), GL(5, k=1)]).to_frame()["fired"].tolist()
    [False, True]
    """
    return Average(float(decay), False, math.nan), math.inf


@criterion(
    threshold="alpha",
    passes=">",
    step=median_loss_step,
    takes="ratio",
    unit="%",
    at_least={"alpha": 0, "window": 1},
)
def MedianGL(*, window: int = 5) -> tuple[Last, float]:
    """Generalisation loss of the rolling median, at every check.

    Stops when 100 (S(t) / S_opt(t) - 1) > alpha, with S as in :data:`Median` and S_opt its lowest
    value so far.

    Parameters
    ----------
    alpha : float
        Threshold of the loss in percent, at least 0.
    window : int
        Number of errors in the median, at least 1.

    Notes
    -----
    Statistic: 100 (S / S_opt - 1), S the rolling median of val

    Source: :data:`GL` on a smoothed curve.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import GL, CurveSet, MedianGL, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 9.0, 2.0]}])
    >>> replay(curves, [MedianGL(60, window=3), GL(60, k=1)]).to_frame()["fired"].tolist()
    [False, True]
    """
    return _empty(window), math.inf
