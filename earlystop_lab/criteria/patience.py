"""Patience rules and simple limits, each with the exact semantics of its library."""

from __future__ import annotations

import math
from typing import NamedTuple

from earlystop_lab.criteria.core import criterion


class Waiting(NamedTuple):
    """State of Keras' rules: best value and its epoch (NaN: none yet), checks waited since."""

    best: float
    best_epoch: float
    wait: int
    min_delta: float
    baseline: float
    first_epoch: float


def best_epoch(s: Waiting) -> float:
    """The epoch of the last significant improvement; NaN where there was none."""
    return s.best_epoch


def keras_step(s: Waiting, epoch: float, val: float, train: float) -> tuple[Waiting, float]:
    """Bad epochs in a row since the wait was last reset; NaN where Keras cannot fire."""
    if epoch < s.first_epoch:
        return s, math.nan
    wait = s.wait + 1
    if math.isnan(s.best_epoch) or val + s.min_delta < s.best:
        if math.isnan(s.baseline) or val + s.min_delta < s.baseline:
            wait = 0
        state = Waiting(val, epoch, wait, s.min_delta, s.baseline, s.first_epoch)
        return state, math.nan
    state = Waiting(s.best, s.best_epoch, wait, s.min_delta, s.baseline, s.first_epoch)
    return state, float(wait)


def keras2_step(s: Waiting, epoch: float, val: float, train: float) -> tuple[Waiting, float]:
    """Bad epochs in a row since the best value; NaN where it improved."""
    if val + s.min_delta < s.best:
        return Waiting(val, epoch, 0, s.min_delta, s.baseline, s.first_epoch), math.nan
    wait = s.wait + 1
    state = Waiting(s.best, s.best_epoch, wait, s.min_delta, s.baseline, s.first_epoch)
    return state, float(wait)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=keras_step,
    own=best_epoch,
    at_least={"patience": 0, "start_from_epoch": 0},
)
def Keras(
    *, min_delta: float = 0.0, baseline: float | None = None, start_from_epoch: int = 0
) -> Waiting:
    """``keras.callbacks.EarlyStopping``: stop after ``patience`` epochs without improvement.

    A value improves where val + abs(min_delta) < best; the first value always does. An epoch
    that improves never stops; ``patience`` 0 and 1 behave alike.

    ``min_delta`` is in units of the error, absolute. ``baseline``: the wait is reset only by an
    improvement that also has val + abs(min_delta) < baseline, and an improving epoch above it
    neither resets nor stops: a curve that keeps improving above its baseline never stops.
    Epochs before ``start_from_epoch`` (counted from 0, as in Keras) are not seen at all.

    A NaN counts as no improvement, but as the *first* value it becomes the best, which nothing
    improves on: training stops after ``patience`` epochs. ``restore="own"``: the last
    significant improvement, what ``restore_best_weights=True`` restores.

    Source: Keras 3.9 to 3.15, ``keras/src/callbacks/early_stopping.py``. Keras compares in
    float32 where its backend does; here it is float64.

    >>> from earlystop_lab import CurveSet, Keras, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.95, 2.5, 2.6, 1.0]}])
    >>> frame = replay(curves, [Keras(2), Keras(2, min_delta=0.1)], restore="own").to_frame()
    >>> frame[["criterion", "stop", "selected"]]
                     criterion  stop  selected
    0                 Keras(2)     5         3
    1  Keras(2, min_delta=0.1)     4         2
    """
    level = math.nan if baseline is None else float(baseline)
    first = start_from_epoch + 1.0 if start_from_epoch else -math.inf
    return Waiting(math.inf, math.nan, 0, abs(float(min_delta)), level, first)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=keras2_step,
    own=best_epoch,
    own_if_stopped=True,
    at_least={"patience": 0},
)
def Keras2(*, min_delta: float = 0.0, baseline: float | None = None) -> Waiting:
    """``EarlyStopping`` of Keras 2.2: as :data:`Keras`, with another baseline and first value.

    The best value starts at ``baseline``, or at infinity, so a NaN first value is just no
    improvement, and epochs that improve without beating the baseline use up patience. The
    first epoch can stop training. A negative ``min_delta`` loosens the test: val + min_delta <
    best. ``restore="own"``: the last improvement; the last epoch where there was none, or where
    it was not this rule that stopped the run.

    Source: Keras 2.2.0 to 2.3.1, ``keras/callbacks.py``.

    >>> from earlystop_lab import CurveSet, Keras, Keras2, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.5, 2.0, 1.5]}])
    >>> replay(curves, [Keras2(2, baseline=1.0), Keras(2, baseline=1.0)]).to_frame()["stop"]
    0    2
    1    4
    Name: stop, dtype: int64
    """
    first = math.inf if baseline is None else float(baseline)
    return Waiting(first, math.nan, 0, float(min_delta), math.nan, 0.0)


def epoch_step(s: tuple[int], epoch: float, val: float, train: float) -> tuple[tuple[int], float]:
    """The epoch itself."""
    return s, epoch


@criterion(threshold="n", passes=">=", whole=True, step=epoch_step, watches=(), at_least={"n": 1})
def MaxEpochs() -> tuple[int]:
    """A fixed budget: stop at the first check at epoch ``n`` or later.

    A run recorded to exactly ``n`` epochs fires at its end; a shorter one is censored.

    >>> from earlystop_lab import CurveSet, MaxEpochs, replay
    >>> replay(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0]}]), [MaxEpochs(2)]).to_frame()["stop"][0]
    np.int64(2)
    """
    return (0,)


def not_finite_step(
    s: tuple[int], epoch: float, val: float, train: float
) -> tuple[tuple[int], float]:
    """1 where the training error is NaN or infinite."""
    return s, 0.0 if math.isfinite(train) else 1.0


@criterion(step=not_finite_step, watches=("train",))
def TerminateOnNaN() -> tuple[int]:
    """``keras.callbacks.TerminateOnNaN``: stop when the training error is NaN or infinite.

    It never looks at validation. Keras tests every batch, a recorded curve has one value a
    check, so the replay stops at the check that shows it.

    Source: Keras 3.15, ``keras/src/callbacks/terminate_on_nan.py``.

    >>> from earlystop_lab import CurveSet, TerminateOnNaN, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0], "train": [1.0, float("inf")]}])
    >>> replay(curves, [TerminateOnNaN()]).to_frame()[["criterion", "stop", "fired"]]
              criterion  stop  fired
    0  TerminateOnNaN()     2   True
    """
    return (0,)
