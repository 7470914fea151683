"""Which weights a checkpoint callback would have kept: a policy for ``replay(restore=...)``."""

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
    """State of a checkpoint: which epochs it saves, the first and the last one, the best so far."""

    always: bool
    first: bool
    begin: float
    epoch: float
    best: Patience


def checkpoint_step(s: Saves, epoch: float, val: float) -> tuple[Saves, float]:
    """It sees the epoch and never stops training."""
    best, _ = patience_step(s.best, epoch, val)
    begin = epoch if s.first and math.isnan(s.begin) else s.begin
    return Saves(s.always, s.first, begin, epoch, best), math.nan


def checkpoint_epoch(s: Saves) -> float:
    """The epoch saved last; NaN where none was."""
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
    """``keras.callbacks.ModelCheckpoint`` as a selection policy: it keeps weights, it never stops.

    Give it as ``restore`` to :func:`replay`. By default every epoch is saved and the last one
    kept. With ``save_best_only`` an epoch is saved where its error is strictly below the best;
    ``ties="last"`` saves equal errors, too, as other libraries do. The first error always counts
    as the best, a NaN included, which nothing is below; with ``initial_value_threshold``, a value
    of the metric as recorded, the best starts there instead. Where nothing was saved, the weights
    are those at the stop.

    Source: Keras 3.15, ``keras/src/callbacks/model_checkpoint.py``.

    Verified: keras 3.15.1

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
