"""Rules of Keras: early stopping as in Keras 3 and as in Keras 2, and the stop at NaN."""

import math

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    SUM,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
)

__all__ = ["Keras", "Keras2", "TerminateOnNaN"]


@patience_rule(
    threshold="patience",
    default=0,
    restores=kept_epoch,
    recorded=("baseline",),
    at_least={"patience": 0, "start_from_epoch": 0},
)
def Keras(
    *, min_delta: float = 0.0, baseline: float | None = None, start_from_epoch: int = 0
) -> Patience:
    """``keras.callbacks.EarlyStopping``: stop after ``patience`` epochs without improvement.

    A value improves if val + abs(min_delta) < best; the first value always does. An epoch that
    improves never stops training.

    A NaN is not an improvement, but as the *first* value it becomes the best, on which nothing
    improves, so training stops after ``patience`` epochs. With ``restore="own"``, the last
    improvement by more than ``min_delta`` is selected, as with ``restore_best_weights=True``.
    Keras compares in float32 if its backend does; this rule compares in float64.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement, at least 0; 0 and 1 behave alike.
    min_delta : float
        Smallest gain that counts as an improvement, absolute, in units of the error.
    baseline : float, optional
        Only an improvement with val + abs(min_delta) < baseline resets the wait. An epoch that
        improves but stays above the baseline neither resets the wait nor stops training, so a
        curve that keeps improving above its baseline never stops.
    start_from_epoch : int
        Number of epochs at the start that are ignored entirely, at least 0.

    Notes
    -----
    Statistic: epochs since val + abs(min_delta) < best

    Source: Keras 3.9 to 3.15, ``keras/src/callbacks/early_stopping.py``

    Verified: keras 3.15.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Keras, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.95, 2.5, 2.6, 1.0]}])
    >>> frame = replay(curves, [Keras(2), Keras(2, min_delta=0.1)], restore="own").to_frame()
    >>> frame[["criterion", "stop", "selected"]]
                     criterion  stop  selected
    0                 Keras(2)     5         3
    1  Keras(2, min_delta=0.1)     4         2
    """
    return patience_state(
        Knobs(SUM, first=True),
        delta=abs(min_delta),
        baseline=math.nan if baseline is None else float(baseline),
        first_epoch=start_from_epoch + 1.0 if start_from_epoch else -math.inf,
    )


@patience_rule(
    threshold="patience",
    default=0,
    restores=kept_epoch,
    restores_only_if_stopped=True,
    recorded=("baseline",),
    at_least={"patience": 0},
)
def Keras2(*, min_delta: float = 0.0, baseline: float | None = None) -> Patience:
    """``EarlyStopping`` of Keras 2.2: like :data:`Keras`, but with another start and baseline.

    The best value starts at ``baseline``, or at infinity. A NaN as the first value is therefore
    only a value without improvement, and epochs that improve without beating the baseline use up
    patience. The first epoch can stop training. With ``restore="own"``, the last improvement is
    selected, or the last epoch if there was none or if another rule stopped the run.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement, at least 0.
    min_delta : float
        Smallest gain that counts: a value improves if val + min_delta < best. A negative
        ``min_delta`` makes the test more lenient.
    baseline : float, optional
        Initial best value.

    Notes
    -----
    Statistic: epochs since val + min_delta < best, which starts at the baseline

    Source: Keras 2.2.0 to 2.3.1, ``keras/callbacks.py``.

    Verified: keras 2.3.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Keras, Keras2, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.5, 2.0, 1.5]}])
    >>> replay(curves, [Keras2(2, baseline=1.0), Keras(2, baseline=1.0)]).to_frame()["stop"]
    0    2
    1    4
    Name: stop, dtype: int64
    """
    best = math.inf if baseline is None else float(baseline)
    return patience_state(Knobs(SUM), delta=min_delta, best=best)


def not_finite_step(s: tuple[int], epoch: float, train: float) -> tuple[tuple[int], float]:
    """1 if the training error is NaN or infinite, else 0."""
    return s, 0.0 if math.isfinite(train) else 1.0


@criterion(step=not_finite_step, watches=("train",))
def TerminateOnNaN() -> tuple[int]:
    """``keras.callbacks.TerminateOnNaN``: stop when the training error is NaN or infinite.

    It ignores the validation error. Keras tests every batch, but a recorded curve has one value
    per check, so the replay stops at the check that shows the value.

    Notes
    -----
    Statistic: the training error is NaN or infinite

    Source: Keras 3.15, ``keras/src/callbacks/terminate_on_nan.py``.

    Verified: keras 3.15.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, TerminateOnNaN, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0], "train": [1.0, float("inf")]}])
    >>> replay(curves, [TerminateOnNaN()]).to_frame()[["criterion", "stop", "fired"]]
              criterion  stop  fired
    0  TerminateOnNaN()     2   True
    """
    return (0,)
