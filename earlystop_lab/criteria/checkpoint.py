"""Which weights a checkpoint callback would have kept, as a policy for ``replay(restore=...)``."""

import math
from typing import Literal, NamedTuple

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    DIFFERENCE,
    Knobs,
    Patience,
    patience_state,
    patience_step,
)

__all__ = ["ModelCheckpoint"]


class Saves(NamedTuple):
    """State of a checkpoint: which epochs it saves, the first and last saved, the best so far."""

    always: bool
    first: bool
    begin: float
    epoch: float
    best: Patience


def checkpoint_step(s: Saves, epoch: float, val: float) -> tuple[Saves, float]:
    """Update the state with one epoch; a checkpoint never stops training."""
    best, _ = patience_step(s.best, epoch, val)
    begin = epoch if s.first and math.isnan(s.begin) else s.begin
    return Saves(s.always, s.first, begin, epoch, best), math.nan


def checkpoint_epoch(s: Saves) -> float:
    """The epoch saved last, or NaN if none was saved."""
    if s.always:
        return s.epoch
    return s.begin if math.isnan(s.best.kept) else s.best.kept


@criterion(
    step=checkpoint_step,
    restores=checkpoint_epoch,
    recorded=("initial_value_threshold",),
)
def ModelCheckpoint(
    *,
    save_best_only: bool = False,
    initial_value_threshold: float | None = None,
    ties: Literal["first", "last"] = "first",
) -> Saves:
    """``keras.callbacks.ModelCheckpoint`` as a selection policy: keeps weights, never stops.

    Pass it as ``restore`` to :func:`replay`. By default every epoch is saved, so the last one is
    kept. If nothing was saved, the weights are those at the stop.

    Parameters
    ----------
    save_best_only : bool
        Save an epoch only if its error is strictly below the best so far. The first error always
        becomes the best, even if it is NaN, which no later error is below.
    initial_value_threshold : float, optional
        Initial best value, on the scale on which the metric was recorded.
    ties : {"first", "last"}
        ``"last"`` also saves an epoch whose error equals the best, as some other libraries do.

    Notes
    -----
    Source: Keras 3.15, ``keras/src/callbacks/model_checkpoint.py``.

    Verified: keras 3.15.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, MaxEpochs, ModelCheckpoint, replay
    >>> curves = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.7]}])
    >>> for ties in ("first", "last"):
    ...     policy = ModelCheckpoint(save_best_only=True, ties=ties)
    ...     print(replay(curves, [MaxEpochs(4)], restore=policy).selected[0, 0])
    2.0
    3.0
    """
    first = initial_value_threshold is None
    best = math.inf if initial_value_threshold is None else float(initial_value_threshold)
    knobs = Knobs(DIFFERENCE, first=first, last_tie=ties == "last")
    return Saves(not save_best_only, first, math.nan, math.nan, patience_state(knobs, best=best))
